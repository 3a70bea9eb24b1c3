"""The API's routes, a module for each domain; ``routes(session)`` gives them."""
