#!/usr/bin/env bash
# SQLite 3.54 (apsw 3.54.1.0): a name without a schema means the table of the main database, and one of an attached
# database only where the main one has none. But when another connection creates a table of that name in the main
# database, statements go on reading the attached one, and not only those that were prepared before: new ones too, until
# some statement has looked at the main database, as a statement verifies the schema of those databases alone that it
# turned out to read. From then on the same question, written anew, is answered from the main database while the
# prepared one still is not: two answers in one connection, without an error. SELECT 1 FROM main.sqlite_schema at the
# beginning of a transaction, and no statements that are kept, give one. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install apsw==3.54.1.0
answers=$("$work/venv/bin/python" -c "
import sys, apsw
def reader(kept):
    connection = apsw.Connection(sys.argv[1], statementcachesize=kept)
    connection.execute(\"ATTACH ':memory:' AS side; CREATE TABLE side.item (id)\")
    return connection
writer = apsw.Connection(sys.argv[1])
writer.pragma('journal_mode', 'WAL')
writer.execute('CREATE TABLE other (id)')
keeping, forgetting = reader(100), reader(0)
old, new, newer = 'SELECT count(*) FROM item', 'SELECT count(*) AS n FROM item', 'SELECT count(*) AS m FROM item'
seen = [each.execute(old).get for each in (keeping, forgetting)]
writer.execute('CREATE TABLE item (id); INSERT INTO item VALUES (1)')
seen += [keeping.execute(old).get, keeping.execute(new).get]
for each in (keeping, forgetting):
    each.execute('SELECT 1 FROM main.sqlite_schema LIMIT 1').fetchall()
print(*seen, keeping.execute(old).get, keeping.execute(newer).get, forgetting.execute(old).get)
" "$work/file.db")
echo "apsw 3.54.1.0, rows of item: before 0 0, once it is in the main database as well, with a row: $answers"
echo "(before twice; prepared before, new; behind a look at the main schema: prepared before, new, nothing kept)"
[ "$answers" = "0 0 0 0 0 1 1" ]
