# ctr_train_distributed over a table that Citus distributes over two servers: its shards train there and give the bytes that the same
# parts give as partitions of one server. A server that dies in a round is named; restarted and called again, the training goes on to
# the same bytes. Evaluation there is exact, and ctr_predict runs where the rows are.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

plan skip_all => 'training on Citus: it is not installed'
  unless query(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'});

my $tool = dirname(dirname(__FILE__)) . '/server';
my $other = $ENV{PGHOST};
my ($here, @workers) = my @servers = map { tempdir("/tmp/ctr-citus$_.XXXXXX", CLEANUP => 0) } 0 .. 2;
END
{
    my $status = $?;
    system($tool, 'stop', $_) for @servers;
    ($ENV{PGHOST}, $?) = ($other, $status) if @servers;
}

sub start_server { system($tool, 'start', $_[0], "shared_preload_libraries = 'citus'", 'fsync = off') == 0 or die }

# SQL on the n-th worker
sub worker
{
    my ($n, $sql) = @_;
    local $ENV{PGHOST} = $workers[$n];
    return query($sql);
}
sub workers { my $sql = shift; return join ' ', map { worker($_, $sql) } 0, 1 }

start_server($_) for @servers;
my $database = $CtrTest::database;
for my $server (@servers) {
    $ENV{PGHOST} = $server;
    query("CREATE DATABASE $database", database => 'postgres');
    query('CREATE EXTENSION citus');
}
$ENV{PGHOST} = $here;
query("SELECT citus_set_coordinator_host('$here', 5432)");
query("SELECT citus_add_node('$_', 5432)") for @workers;
query('CREATE EXTENSION ctr');

# A dozen places in seven shards, some of which have none; and the same parts here
my $columns = '(id int, place int, c float8, "City name" text, dropped int, label int)';
query(qq{
    CREATE SCHEMA "The shop";
    CREATE TABLE "The shop"."Shows" $columns;
    ALTER TABLE "The shop"."Shows" DROP dropped;
    SET citus.shard_count = 7;
    SELECT create_distributed_table('"The shop"."Shows"', 'place');
    INSERT INTO "The shop"."Shows" SELECT i, i % 12, i % 97, 'c' || i * 7919 % 41, (i % 97 * 7 + i * 7919 % 41 * 20 + hashint4(i) % 300 > 700)::int
    FROM generate_series(1, 9000) i;
    CREATE FUNCTION fit() RETURNS jsonb LANGUAGE sql AS \$\$ SELECT ctr_fit(ignore => '{id,place}') || ctr_deepcross(mlp_layers => '{32}') \$\$;
    CREATE TABLE here (LIKE "The shop"."Shows") PARTITION BY LIST (place);
    CREATE TABLE run OF ctr_round; CREATE TABLE here_run OF ctr_round; CREATE TABLE broken_run OF ctr_round; CREATE TABLE second_run OF ctr_round});
query(query(q{
    SELECT format('CREATE TABLE here_%s PARTITION OF here FOR VALUES IN (%s);', s.shardid, coalesce(string_agg(place::text, ','), '-' || s.shardid))
    FROM pg_dist_shard s LEFT JOIN generate_series(0, 11) place ON s.shardid = get_shard_id_for_distribution_column('"The shop"."Shows"', place)
    WHERE s.logicalrelid = '"The shop"."Shows"'::regclass GROUP BY s.shardid}));
query('INSERT INTO here SELECT * FROM "The shop"."Shows" ORDER BY id');
my $train = q{CALL ctr_train_distributed('"The shop"."Shows"', fit(), rounds => %d, checkpoint => '%s');};
my $left = q{SELECT count(*) FROM pg_class WHERE relname LIKE 'ctr_scratch%'};

# ------------------------------------------------------------------ training, evaluation, scores

my (undef, undef, $said) = run_psql(sprintf $train, 10, 'run');
is(() = $said =~ /NOTICE: .*round \d+ of 10: 7 parts, \d{4} rows, train loss 0\.\d{4}, .* \d+\.\d s, \d+ kB sent$/mg, 10, 'a line for each round') or diag($said);
is(() = $said =~ /NOTICE|WARNING/g, 11, 'and one for the start, no more') or diag($said);
query("SET client_min_messages = warning;\nCALL ctr_train_distributed('here', fit(), rounds => 10, checkpoint => 'here_run')");
is(query('SELECT count(*) FROM run JOIN here_run USING (round) WHERE run.model = here_run.model'), 11, 'each round is to the bit as on one server');
is(query('SELECT bool_and(bytes > 0) FROM run'), 't', 'bytes are counted');
is(workers($left), '0 0', 'nothing is left on the workers');
query(qq{CREATE TABLE lane_run OF ctr_round; SET client_min_messages = warning; SET citus.max_adaptive_executor_pool_size = 1;\n} . sprintf $train, 2, 'lane_run');
query(qq{CREATE TABLE two_run OF ctr_round; SET client_min_messages = warning;\n} . sprintf $train, 2, 'two_run');
is(query('SELECT count(*) FROM lane_run a JOIN two_run b USING (round) WHERE a.model = b.model'), 3, 'nor does it matter how many shards of a server train at once');

my $model = '(SELECT model FROM run WHERE round = 10)';
my ($there, $here_too) = map { query("SELECT (e).rows, (e).auc, (e).accuracy, round((e).loss::numeric, 12), round((e).calibration::numeric, 12) FROM $_ s") }
  "(SELECT ctr_evaluate_distributed('\"The shop\".\"Shows\"', $model) AS e OFFSET 0)", "(SELECT ctr_evaluate($model, h) AS e FROM here h)";
is($there, $here_too, 'evaluated there: the same');
like($here_too, qr/^9000\|0\.[89]/, 'and good');
is(workers($left), '0 0', 'nothing is left on the workers');

query("CREATE TABLE models (name text, model ctr_model); SELECT create_reference_table('models'); INSERT INTO models SELECT 'shows', model FROM run WHERE round = 10");
my $scores = 'SELECT ctr_predict(m.model, s) AS p FROM %s s, models m';
my $plan = query(sprintf "EXPLAIN (VERBOSE) $scores", '"The shop"."Shows"');
like($plan, qr/Custom Scan \(Citus Adaptive\).*Task Count: 7.*Custom Scan \(CtrBlockScan\)/s, 'a model in a reference table scores where the rows are, in blocks') or diag($plan);
is(query(sprintf "SELECT round(sum(p)::numeric, 6) FROM ($scores) s", '"The shop"."Shows"'), query(sprintf "SELECT round(sum(ctr_predict($model, h))::numeric, 6) FROM here h"), 'the same scores');
is(query(sprintf "$scores WHERE place = 3 AND id = 3", '"The shop"."Shows"'), query("SELECT ctr_predict($model, h) FROM here h WHERE id = 3"), 'so does one row');

# ------------------------------------------------------------------ who may, and what cannot be

query_fails(q{CALL ctr_train_distributed('here', engine => 'citus');}, '42809', 'public\.here is no distributed table of Citus', 'a table that is not distributed');
query_fails(q{CALL ctr_train_distributed('"The shop"."Shows"', engine => 'local');}, '42809', '"The shop"\."Shows" is a distributed table of Citus', 'another engine');
query('CREATE ROLE trainer LOGIN');
query('GRANT USAGE ON SCHEMA "The shop" TO trainer; GRANT SELECT ON "The shop"."Shows" TO trainer');
query_fails(q{CALL ctr_train_distributed('"The shop"."Shows"', rounds => 1);}, '38000', qr/part "The shop"\."Shows_\d+" and \d more on \S+:5432: permission denied for schema The shop/,
    'who may make no table on the workers', user => 'trainer');
query('GRANT CREATE ON SCHEMA "The shop" TO trainer');
query(q{CREATE TABLE their_run OF ctr_round; GRANT ALL ON their_run TO trainer});
query(qq{SET client_min_messages = warning;\nCALL ctr_train_distributed('"The shop"."Shows"', '{"ignore": ["id", "place"], "mlp_layers": [32]}', rounds => 1, checkpoint => 'their_run')}, user => 'trainer');
is(query('SELECT max(round) FROM their_run'), 1, 'who may needs no other right');

# ------------------------------------------------------------------ a worker dies

sub postmaster { return (split /\n/, CtrTest::slurp("$workers[$_[0]]/data/postmaster.pid"))[0] }

# Starts a training that a lock on a worker holds up in the middle of a round, after the first; the lock's backend
my $shard = query(qq{SELECT min(shard_name('"The shop"."Shows"', shardid)) FROM pg_dist_shard_placement JOIN pg_dist_shard USING (shardid)
    WHERE logicalrelid = '"The shop"."Shows"'::regclass AND nodename = '$workers[1]'});
my ($running, $locker);
sub hold_up
{
    $running = start_query(sprintf $train, 10, 'broken_run');
    wait_until(sub { query('SELECT coalesce(max(round), 0) FROM broken_run') >= 1 });
    local $ENV{PGHOST} = $workers[1];
    $locker = start_query(qq{SET citus.enable_manual_changes_to_shards = on; BEGIN; LOCK TABLE $shard; SELECT pg_sleep(600);})->{pid};
    wait_until(sub { query(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%ctr_work_on_shards%' AND wait_event_type = 'Lock'}) });
}

hold_up();
query("SELECT pg_cancel_backend($running->{pid})");
like(finish_query($running), qr/ERROR:  57014:/, 'a training is cancelled');
wait_until(sub { workers(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%ctr_work_on_shards%' AND state = 'active' AND pid <> pg_backend_pid()}) eq '0 0' });
pass('and so is the work of the workers');
is(workers($left), '0 0', 'nothing is left there');
worker(1, "SELECT pg_terminate_backend($locker)");
query('TRUNCATE broken_run');

# Another training of that table waits for it; cancelled while it waits, it leaves the first one's work alone.
hold_up();
my $second = start_query(sprintf $train, 10, 'second_run');
wait_until(sub { query(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) > 0 });
query("SELECT pg_cancel_backend($second->{pid})");
like(finish_query($second), qr/ERROR:  57014:/, 'a training that waits for another is cancelled');
worker(1, "SELECT pg_terminate_backend($locker)");
unlike(finish_query($running), qr/ERROR|trying again/, 'the other one goes on undisturbed');
is(query('SELECT count(*) FROM run JOIN broken_run USING (round) WHERE run.model = broken_run.model'), 11, 'to the same bytes');
query('TRUNCATE broken_run');

hold_up();
my $pid = postmaster(1);
kill 'QUIT', $pid;
$said = finish_query($running);
my $done = query('SELECT max(round) FROM broken_run');
my $named = qr/part "The shop"\."Shows_\d+"(?: and \d more)? on \Q$workers[1]\E:5432: /;
like($said, qr/NOTICE: +00000: $named(?:(?!NOTICE:).)*; trying again/s, 'a pass that fails is tried again') or diag($said);
like($said, qr/ERROR:  08006: ${named}failed to connect/, 'then the dead worker is named') or diag($said);
like($said, qr/HINT: .*Called again with the same checkpoint, the training goes on after round $done\./, 'and what to do');
cmp_ok($done, '<', 10, 'it died in the middle');
is(worker(0, $left), 0, 'nothing is left on the other one');
wait_until(sub { !kill 0, $pid });
start_server($workers[1]);
query("SET client_min_messages = warning;\n" . sprintf $train, 10, 'broken_run');
is(query('SELECT count(*) FROM run JOIN broken_run USING (round) WHERE run.model = broken_run.model'), 11, 'called again it goes on, to the same bytes');
is(workers($left), '0 0', 'nothing is left on the workers');

# an error of a worker's own is raised at once
query('UPDATE "The shop"."Shows" SET label = 5 WHERE id = 2 AND place = 2');
query_fails(sprintf($train, 11, 'run'), '22023', qr/part "The shop"\."Shows_\d+" on \S+: label column "label" has value "5"/, 'a part that cannot be trained is named');
done_testing();
