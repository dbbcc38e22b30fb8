import pytest

from tests.api_client import ApiClient


@pytest.fixture
def api(db: None) -> ApiClient:
    return ApiClient.with_new_key()
