"""Prints the finished schema, for delta_server/storage/sqlite/schema.sql: what all migrations together make."""

from delta_server.storage.sqlite.schema import made_by, packaged

print("-- The finished schema, which a new database begins with. Made by `make schema` from migrations/; do not edit.")
for each in made_by(packaged()):
    print(f"\n{each.sql};")
