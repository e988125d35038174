"""The names of functions, classes and objects in messages."""


def dotted_name(thing: object) -> str:
    """Return the dotted name of *thing*, a function or class, or of an object's class."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    module = getattr(named, "__module__", None) or "builtins"
    return f"{module}.{named.__qualname__}"
