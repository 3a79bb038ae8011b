"""The fields of a request, by subject; `core.request` puts them together."""
