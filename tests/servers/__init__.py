"""Real servers, started in folders of their own on loopback: PostgreSQL, MariaDB, and versitygw, which speaks S3.

    with Postgresql() as server:
        url = server.fresh()     # an empty database of the test's own
        server.kill()            # SIGKILL to all of its processes
        server.start()           # the same data, the same port

Tests take the fixtures `postgresql`, `mariadb` and `versitygw`; `python -m tests.servers` starts them by hand."""
