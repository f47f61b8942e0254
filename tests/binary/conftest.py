"""The browser of the dashboard's tests, here at the executable."""

# pytest finds fixtures by their names here, and those that they ask for
from tests.browser.conftest import begun, browser, driver, free, visit  # noqa: F401
