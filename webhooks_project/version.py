"""The product's name and version, as the `User-Agent` header tells them."""

NAME = "webhook-dispatcher"
VERSION = "0.1.0"
