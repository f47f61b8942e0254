"""The browser of the dashboard's tests, here at the executable."""

from tests.browser.conftest import begun, browser, driver, visit  # noqa: F401 - pytest finds fixtures by their names here
