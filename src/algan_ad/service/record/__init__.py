"""The durable record of a station, in SQLite or PostgreSQL: tables, migrations, one writer."""
