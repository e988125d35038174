"""A WSGI filter that writes down how each pass ended."""


def filter_app(application, global_conf, file):
    def record(what):
        with open(file, "a") as log:
            log.write(f"{what}\n")

    def recorder(environ, start_response):
        def start(status, headers, exc_info=None):
            record(status.split()[0])
            return start_response(status, headers, exc_info)

        try:
            return application(environ, start)
        except BaseException as error:
            record(type(error).__name__)
            raise

    return recorder
