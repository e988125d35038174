"""Reads numbers from the query."""


class BadQuery(ValueError):
    """A value in the query is not a number, or out of its range."""


def whole_number(form, name, default, least, most):
    return _number(form, name, default, least, most, int, "a whole number")


def seconds(form):
    return _number(form, "seconds", 1.0, 0, 30, float, "a number")


def _number(form, name, default, least, most, kind, takes):
    given = form.get(name, default)
    try:
        value = kind(given)
    except (TypeError, ValueError, OverflowError):
        value = None
    if value is None or not least <= value <= most:
        raise BadQuery(f"{name} is {given!s:.40}; it takes {takes} from {least} to {most}.")
    return value
