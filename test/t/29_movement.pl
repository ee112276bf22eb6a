# Models go from server to server and to programs and come back with the same bytes: pg_dump in all formats, logical replication,
# pg_upgrade, psycopg and node-postgres; and one of more than 511 MB, whose text no value holds, in parts.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;

my $root = dirname(dirname(dirname(__FILE__)));
my $digests = q{SELECT string_agg(name || ' ' || md5(model::bytea), ',' ORDER BY name) FROM models};

query(<<'END');
SET client_min_messages = warning;
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);
INSERT INTO models SELECT a, ctr_train(r, jsonb_build_object('architecture', a) || ctr_fit(epochs => 1))
FROM unnest('{deepcross,fibinet,deepfm,wide_deep}'::text[]) a,
     (SELECT i % 2 AS label, i % 7 AS x, 'ü' || i % 90 AS c, 'd' || i % 5 AS d FROM generate_series(1, 1000) i) r GROUP BY a;
END
my $before = query($digests);
like($before, qr/^deepcross [0-9a-f]{32},deepfm /, 'there are models');

sub new_database
{
    my ($name) = @_;
    query("DROP DATABASE IF EXISTS $name", database => 'postgres');
    query("CREATE DATABASE $name", database => 'postgres');
    return $name;
}

# ------------------------------------------------------------------ pg_dump (01_roundtrip.pl has COPY)

for my $format ('plain', 'custom', 'directory', 'tar')
{
    my ($file, $restored) = (scratch("dump.$format"), new_database("${CtrTest::database}_restored"));
    my $restore = $format eq 'plain' ? "psql -X -q -v ON_ERROR_STOP=1 -d $restored -f $file >/dev/null" : "pg_restore -d $restored $file";
    is(system("pg_dump --format=$format --file=$file $CtrTest::database && $restore"), 0, "pg_dump and restore, $format");
    is(query($digests, database => $restored), $before, 'the same bytes');
    query("DROP DATABASE $restored", database => 'postgres');
}

# ------------------------------------------------------------------ another server, to which models are replicated

# Runs SQL on the other server.
sub there
{
    my ($dir, $sql) = @_;
    open my $in, '>', scratch('there.sql') or die;
    print $in $sql;
    close $in;
    my $out = `$dir/psql -X -q -A -t -v ON_ERROR_STOP=1 -f @{[scratch('there.sql')]} 2>&1`;
    die "$sql: $out" if $? != 0;
    chomp $out;
    return $out;
}

sub server_of
{
    my ($command, @arguments) = @_;
    return system("$root/test/server", $command, @arguments) == 0;
}

# The server of the tests does not replicate logically, so both are servers of their own.
sub replicate
{
    my ($from, $to) = @_;
    my $rows = scratch('models.bin');
    query("\\copy models TO '$rows' (FORMAT binary)");
    chmod 0644, $rows;
    server_of('start', $_, 'wal_level = logical', 'fsync = off') or die "no server in $_\n" for $from, $to;
    there($_, 'CREATE EXTENSION ctr; CREATE TABLE models (name text PRIMARY KEY, model ctr_model);') for $from, $to;
    there($from, "\\copy models FROM '$rows' (FORMAT binary)\nCREATE PUBLICATION p FOR TABLE models;");
    for my $binary ('false', 'true')
    {
        there($to, "TRUNCATE models; CREATE SUBSCRIPTION s CONNECTION 'host=$from port=5432 user=postgres dbname=postgres' PUBLICATION p WITH (binary = $binary);");
        wait_until(sub { there($to, "SELECT count(*) FROM models") == 4 });
        is(there($to, $digests), $before, "the first copy, binary = $binary");
        there($from, "UPDATE models SET name = name || '!' WHERE name = 'deepcross'; DELETE FROM models WHERE name = 'deepfm'; INSERT INTO models SELECT 'again', model FROM models WHERE name = 'fibinet';");
        my $now = there($from, $digests);
        wait_until(sub { there($to, $digests) eq $now });
        isnt($now, $before, 'and what is changed, inserted and deleted follows');
        there($to, 'DROP SUBSCRIPTION s');
        there($from, "TRUNCATE models;\n\\copy models FROM '$rows' (FORMAT binary)");
    }
}

my ($publisher, $subscriber) = my @servers = map { "/tmp/ctr-$_.$$" } 'publisher', 'subscriber';
END
{
    my $status = $?;
    server_of('stop', $_) for @servers;
    $? = $status;
}
replicate($publisher, $subscriber);

# ------------------------------------------------------------------ pg_upgrade, from one data directory to another

sub as_owner
{
    my ($command) = @_;
    return system($< == 0 ? ('runuser', '-u', 'postgres', '--', 'sh', '-c', $command) : ('sh', '-c', $command)) == 0;
}

# pg_upgrade runs the programs beside it, so each server's installation gets all of them.
sub upgrade
{
    my ($old, $new) = @_;
    my $bindir = query("SELECT setting FROM pg_config WHERE name = 'BINDIR'") =~ s{^\Q$ENV{PGHOST}\E/inst}{}r;
    there($old, "TRUNCATE models;\n\\copy models FROM '@{[scratch('models.bin')]}' (FORMAT binary)");
    there($new, 'DROP TABLE models; DROP EXTENSION ctr;');
    for my $dir ($old, $new)
    {
        system("cp --no-clobber $bindir/* $dir/inst$bindir");
        as_owner("$dir/inst$bindir/pg_ctl -D $dir/data -m fast -w -s stop") or die "$dir did not stop\n";
    }
    ok(as_owner("cd $new && inst$bindir/pg_upgrade -b $old/inst$bindir -B $new/inst$bindir -d $old/data -D $new/data -s $new -U postgres >upgrade.log 2>&1"), 'pg_upgrade')
      or diag(`cat $new/upgrade.log`);
    server_of('start', $new) or die "$new did not start\n";
    is(there($new, $digests), $before, 'the same bytes after pg_upgrade');
}

SKIP:
{
    skip 'left out: no pg_upgrade', 2 if system('command -v pg_upgrade >/dev/null') != 0;
    upgrade($publisher, $subscriber);
}

# ------------------------------------------------------------------ drivers: fetched as bytes and put back

# A program that copies all models to the table of the name in its argument; why: why it cannot run
sub driver
{
    my ($name, $why, @command) = @_;
    SKIP:
    {
        skip "left out: $why", 1 if $why;
        query("CREATE TABLE $name (LIKE models)");
        local $ENV{PGDATABASE} = $CtrTest::database;
        is(system(@command, $name), 0, "$name ends well");
        is(query($digests =~ s/FROM models/FROM $name/r), $before, "$name: the same bytes");
    }
}

sub write_program
{
    my ($name, $text) = @_;
    open my $file, '>', scratch($name) or die;
    print $file $text;
    close $file;
    return scratch($name);
}

my $python = $ENV{PYTHON} // 'python3';
my $psycopg = write_program('use_psycopg.py', <<'END');
import sys
import psycopg

with psycopg.connect() as connection:
    for binary, format in (False, "%t"), (True, "%b"):  # half of the models as text, half in binary format
        with connection.cursor(binary=binary) as cursor:
            models = cursor.execute("SELECT name, model::bytea FROM models ORDER BY name").fetchall()
            half = models[:2] if binary else models[2:]
            cursor.executemany(f"INSERT INTO {sys.argv[1]} VALUES (%s, {format}::bytea::ctr_model)", half)
END
driver('psycopg', system("$python -c 'import psycopg' 2>/dev/null") == 0 ? '' : "$python lacks psycopg", $python, $psycopg);

my $node = write_program('node_postgres.js', <<'END');
const { Client } = require('pg');

(async () => {
    const client = new Client({ host: process.env.PGHOST, port: process.env.PGPORT });
    await client.connect();
    const { rows } = await client.query('SELECT name, model::bytea FROM models');
    for (const { name, model } of rows)
        await client.query(`INSERT INTO ${process.argv[2]} VALUES ($1, $2::bytea::ctr_model)`, [name, model]);
    await client.end();
})().catch(error => { console.error(error.message); process.exit(1); });
END
my $modules = join ':', grep { -d } "$root/.node/node_modules", split /:/, $ENV{NODE_PATH} // '';
$ENV{NODE_PATH} = $modules;
driver('node_postgres', system("node -e \"require('pg')\" 2>/dev/null") == 0 ? '' : 'node lacks pg', 'node', $node);

done_testing();
