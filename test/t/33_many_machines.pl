# ctr_train_distributed on three further servers: their parts train there, all at once, and give the bytes that the same parts
# give as partitions of one server. One that dies in a round is named; restarted and called again, the training goes on to the same
# bytes. Evaluation there is exact.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

plan skip_all => 'postgres_fdw is not installed'
  unless query(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'});

my $tool = dirname(dirname(__FILE__)) . '/server';
my @workers = map { tempdir("/tmp/ctr-worker$_.XXXXXX", CLEANUP => 0) } 1 .. 3;
END { my $status = $?; system($tool, 'stop', $_) for @workers; $? = $status }

sub start_worker { system($tool, 'start', $_[0], 'fsync = off') == 0 or die }

# SQL on the n-th worker
sub worker
{
    my ($n, $sql) = @_;
    local $ENV{PGHOST} = $workers[$n];
    return query($sql, database => 'postgres');
}

my $columns = '(id int, c float8, "City name" text, label int)';
query(qq{
    SET client_min_messages = warning;
    CREATE EXTENSION postgres_fdw;
    CREATE TABLE here $columns PARTITION BY LIST ((id % 3));
    CREATE TABLE shows $columns PARTITION BY LIST ((id % 3));
    CREATE FUNCTION fit() RETURNS jsonb LANGUAGE sql AS \$\$ SELECT ctr_fit(ignore => '{id}') || ctr_deepcross(mlp_layers => '{32}') \$\$;
});
my $rows = q{SELECT i AS id, i % 97 AS price, 'c' || i * 7919 % 41 AS city, (i % 97 * 7 + i * 7919 % 41 * 20 + hashint4(i) % 300 > 700)::int AS label FROM generate_series(1, 9000) i};
# One worker has its columns in another order and by other names.
for my $n (0 .. 2) {
    start_worker($workers[$n]);
    worker($n, $n == 1 ? "CREATE TABLE far_1 AS SELECT city AS town, label, 'x' AS more, price::float8 AS c, id FROM ($rows) r WHERE id % 3 = $n"
        : "CREATE TABLE far_$n AS SELECT id, price::float8 AS c, city AS \"City name\", label FROM ($rows) r WHERE id % 3 = $n");
    my $city = $n == 1 ? q{OPTIONS (column_name 'town')} : '';
    query(qq{
        CREATE TABLE here_$n PARTITION OF here FOR VALUES IN ($n);
        CREATE SERVER w$n FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$workers[$n]', port '5432', dbname 'postgres');
        CREATE USER MAPPING FOR CURRENT_USER SERVER w$n OPTIONS (user 'postgres');
        CREATE FOREIGN TABLE "Shows $n" (id int, c float8, "City name" text $city, label int) SERVER w$n OPTIONS (schema_name 'public', table_name 'far_$n');
        ALTER TABLE shows ATTACH PARTITION "Shows $n" FOR VALUES IN ($n);});
}
query("INSERT INTO here $rows");
my $train = "CALL ctr_train_distributed('shows', fit(), rounds => %d, checkpoint => '%s');";

query_fails(sprintf($train, 1, 'here'), '42P01', 'part public."Shows 0" of public.shows has no foreign table public."Shows 0_ctr_state" and public."Shows 0_ctr_work"',
    'without set-up an error says what is missing');

# ------------------------------------------------------------------ set-up

worker($_, query("SELECT statements FROM ctr_fdw_setup('shows') WHERE server = 'w$_'")) for 0 .. 2;
query(query("SELECT statements FROM ctr_fdw_setup('shows') WHERE server IS NULL"));
query('CREATE ROLE other; GRANT CREATE ON SCHEMA public TO other; ALTER FOREIGN TABLE "Shows 0_ctr_work" OWNER TO other');
query_fails(sprintf($train, 1, 'here'), '42P01', 'part public."Shows 0" of public.shows has no foreign table public."Shows 0_ctr_work"\n', 'another one\'s table is no set-up');
query('ALTER FOREIGN TABLE "Shows 0_ctr_work" OWNER TO CURRENT_USER; REVOKE CREATE ON SCHEMA public FROM other; DROP ROLE other');
my $plan = query('EXPLAIN (COSTS OFF) ' . join ' UNION ALL ', map { qq{SELECT tableoid, part, bytes FROM "Shows ${_}_ctr_work" WHERE task = 'ctr_train'} } 0 .. 2);
is(() = $plan =~ /Async Foreign Scan/g, 3, 'all servers work at once');

# ------------------------------------------------------------------ training, evaluation, scores

query('CREATE TABLE run OF ctr_round; CREATE TABLE here_run OF ctr_round; CREATE TABLE broken_run OF ctr_round');
my (undef, undef, $said) = run_psql(sprintf $train, 20, 'run');
my $sent = qr/\d+\.\d s, \d+ kB sent/;
is(() = $said =~ /NOTICE: .*round \d of 20: 3 parts, 7\d{3} rows, train loss 0\.\d{4}, validation loss 0\.\d{4}, AUC 0\.\d{4}, $sent$/mg, 6, 'a line for each of the rounds that measure')
  or diag($said);
is(() = $said =~ /NOTICE: .*round \d+ of 20: 3 parts, 9000 rows, train loss 0\.\d{4}, no validation, $sent$/mg, 14, 'and for each of the others, in which all rows train') or diag($said);
is(() = $said =~ /NOTICE/g, 21, 'and one for the start, no more') or diag($said);
query("SET client_min_messages = warning;\nCALL ctr_train_distributed('here', fit(), rounds => 20, checkpoint => 'here_run')");
is(query('SELECT count(*) FROM run JOIN here_run USING (round) WHERE run.model = here_run.model'), 21, 'each round is to the bit as on one server');
is(query('SELECT bool_and(bytes > 0) FROM run'), 't', 'bytes are counted');
is(join(' ', map { worker($_, qq{SELECT count(*) FROM "Shows ${_}_ctr_state"}) } 0 .. 2), '0 0 0', 'nothing is left on the workers');

my $model = '(SELECT model FROM run WHERE round = 20)';
my ($there, $here) = map { query("SELECT (e).rows, (e).auc, (e).accuracy, round((e).loss::numeric, 12), round((e).calibration::numeric, 12) FROM $_ s") }
  "(SELECT ctr_evaluate_distributed('shows', $model) AS e OFFSET 0)", "(SELECT ctr_evaluate($model, h) AS e FROM here h)";
is($there, $here, 'evaluated there: the same');
like($here, qr/^9000\|0\.[89]/, 'and good');
is(query("SELECT (ctr_evaluate_distributed('here', $model)).auc = (ctr_evaluate_distributed('shows', $model)).auc"), 't', 'so are partitions of one server');
is(join(' ', map { worker($_, qq{SELECT count(*) FROM "Shows ${_}_ctr_state"}) } 0 .. 2), '0 0 0', 'nothing is left on the workers');
is(query("SELECT round(sum(ctr_predict($model, s))::numeric, 6) FROM shows s"), query("SELECT round(sum(ctr_predict($model, s))::numeric, 6) FROM here s"),
    'rows that come here are scored the same');

# ------------------------------------------------------------------ a worker dies

sub postmaster { return (split /\n/, CtrTest::slurp("$workers[$_[0]]/data/postmaster.pid"))[0] }

# Starts a training that a lock on a worker holds up in the middle of a round, after the third; the lock's backend
my ($running, $locker);
sub hold_up
{
    $running = start_query(sprintf $train, 20, 'broken_run');
    wait_until(sub { query('SELECT coalesce(max(round), 0) FROM broken_run') >= 3 });
    local $ENV{PGHOST} = $workers[1];
    local $CtrTest::database = 'postgres';
    $locker = start_query('BEGIN; LOCK TABLE far_1; SELECT pg_sleep(600);')->{pid};
    wait_until(sub { query(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgres_fdw' AND wait_event_type = 'Lock'}) });
}

hold_up();
query("SELECT pg_cancel_backend($running->{pid})");
like(finish_query($running), qr/ERROR:  57014:/, 'a training is cancelled');
is(join(' ', map { worker($_, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgres_fdw' AND state = 'active'}) } 0 .. 2), '0 0 0',
    'and so is the work of all servers');
worker(1, "SELECT pg_terminate_backend($locker)");
query('TRUNCATE broken_run');

hold_up();
my $pid = postmaster(1);
kill 'QUIT', $pid;
$said = finish_query($running);
my $done = query('SELECT max(round) FROM broken_run');
like($said, qr/NOTICE: +00000: part public."Shows 1": (?:(?!NOTICE:).)*; trying again/s, 'a pass that fails is tried again') or diag($said);
like($said, qr/ERROR:  08001: part public."Shows 1": could not connect to server "w1"/, 'then the dead worker is named');
like($said, qr/HINT: .*Called again with the same checkpoint, the training goes on after round $done\./, 'and what to do');
cmp_ok($done, '<', 20, 'it died in the middle');
wait_until(sub { !kill 0, $pid });
start_worker($workers[1]);
query("SET client_min_messages = warning;\n" . sprintf $train, 20, 'broken_run');
is(query('SELECT count(*) FROM run JOIN broken_run USING (round) WHERE run.model = broken_run.model'), 21, 'called again it goes on, to the same bytes');

# an error of a worker's own is raised at once
worker(2, "UPDATE far_2 SET label = 5 WHERE id = 2");
query_fails(sprintf($train, 21, 'run'), '22023', 'part public."Shows 2": label column "label" has value "5"', 'a part that cannot be trained is named');
done_testing();
