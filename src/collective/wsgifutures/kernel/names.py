"""What functions, classes and objects are called for people."""


def dotted_name(thing: object) -> str:
    """Return where *thing* is found: a function or class itself, of an object its class."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    module = getattr(named, "__module__", None) or "builtins"
    return f"{module}.{named.__qualname__}"
