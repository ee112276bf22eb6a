# Models in memory that backends share: one copy for all of them, the same scores to the bit, room kept within its
# bound, and nothing left behind by backends that end, are cancelled or crash while they build or use a model.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep);

my $version = query('SHOW server_version_num');
my $rows = q{SELECT (i % 3 = 0)::int AS label, i % 3 AS class, (i % 11)::float8 / 7 AS x, nullif(i % 13, 0) AS y, 'c' || i % 40 AS a,
    CASE i % 5 WHEN 0 THEN NULL ELSE 'a category of many bytes, ' || i % 500 END AS b, 'ü' || i * 7919 % 20000 AS d FROM generate_series(1, 6000) i};

sub create_models
{
    query(<<"END");
SET client_min_messages = warning;
CREATE TABLE clicks AS $rows;
CREATE TABLE sample AS SELECT * FROM clicks LIMIT 300;
INSERT INTO sample (a, b, d) VALUES ('new', 'a category of many bytes that is new', NULL);
CREATE TABLE models (name text PRIMARY KEY, classes integer, model ctr_model);
INSERT INTO models SELECT name, 1, ctr_train(c, options || ctr_fit(epochs => 1, min_count => 1) || '{"ignore": ["class"]}')
    FROM clicks c, (VALUES ('deepcross', ctr_deepcross()), ('crosses', ctr_deepcross() || '{"crosses": [["a", "b"], ["b", "d"]]}'),
    ('buckets', ctr_deepcross(cross_type => 'mix') || '{"numerical_buckets": 8}'), ('fibinet', ctr_fibinet()),
    ('deepfm', ctr_deepfm()), ('wide_deep', ctr_wide_deep())) v(name, options) GROUP BY name;
INSERT INTO models SELECT 'classes', 3, ctr_train(c, ctr_deepcross(n_classes => 3) || ctr_fit(epochs => 1, min_count => 1)
    || '{"label": "class", "ignore": ["label"]}') FROM clicks c;
CREATE TABLE sized AS SELECT n, ctr_train(c, ctr_deepcross(mlp_layers => ARRAY[1500 + n, 1000])
    || ctr_fit(epochs => 0) || '{"ignore": ["class"]}') AS model FROM clicks c, generate_series(1, 3) n WHERE c.x < 1 GROUP BY n;
ALTER TABLE sized ADD digest text;
UPDATE sized SET digest = convert_from(substr(model::bytea, 36, 64), 'UTF8');
CREATE VIEW shared AS SELECT n, s.* FROM ctr_model_cache s LEFT JOIN sized USING (digest);
END
}

# every function that scores, each model: text, so that equal means to the bit
sub everything
{
    return query(<<'END');
SET ctr.block_scoring = off;
SELECT name, ctr_predict(model, c) FROM models, sample c WHERE classes = 1 ORDER BY name COLLATE "C", c;
SELECT ctr_predict_classes(model, c) FROM models, sample c WHERE classes = 3 ORDER BY c;
SET ctr.block_scoring = on;
SELECT name, ctr_predict(model, c) FROM models, sample c WHERE classes = 1 ORDER BY name COLLATE "C", c;
SELECT name, ctr_predict_batch(model, c) OVER (PARTITION BY name ORDER BY c) FROM models, sample c WHERE classes = 1;
SELECT name, ctr_evaluate(model, c) FROM models, sample c GROUP BY name ORDER BY name COLLATE "C";
SELECT name, e.* FROM models, (SELECT * FROM sample LIMIT 3) c, ctr_explain(model, c) e WHERE classes = 1 ORDER BY 1, 2, 3, 4;
SELECT name, ctr_encode(model, c) FROM models, sample c ORDER BY name COLLATE "C", c;
END
}

# ------------------------------------------------------------------ without preload

create_models();
my $private = everything();
like($private, qr/deepcross\|0\.\d+/, 'models score');
is(query('SELECT count(*) FROM ctr_model_cache'), $version < 170000 ? 0 : 7, 'without preload, sharing needs PostgreSQL 17');

# ------------------------------------------------------------------ a server with it

my $dir = tempdir('/tmp/ctr-shared.XXXXXX', CLEANUP => 0);
my $tool = dirname(dirname(__FILE__)) . '/server';
system($tool, 'start', $dir, "shared_preload_libraries = 'ctr'", 'fsync = off', 'max_connections = 60') == 0 or die;
END { my $status = $?; system($tool, 'stop', $dir) if $dir; $? = $status }
$ENV{PGHOST} = $dir;
query("CREATE DATABASE $CtrTest::database", database => 'postgres');
query('CREATE EXTENSION ctr');
create_models();

sub set_memory
{
    my ($memory) = @_;
    query("ALTER SYSTEM SET ctr.shared_model_memory = '$memory'");
    query('SELECT pg_reload_conf()');
    wait_until(sub { query("SELECT current_setting('ctr.shared_model_memory')") eq $memory });
}

sub score_sized { return "SELECT sum(ctr_predict(model, c)) FROM sized, sample c WHERE n = $_[0];" }
sub of_shared { return query("SELECT $_[0] FROM shared" . ($_[1] ? " WHERE n = $_[1]" : '')) }

# nothing is mapped, and nothing is taken
sub forget_all
{
    set_memory('0');
    query(score_sized(1));
    wait_until(sub { of_shared('coalesce(sum(backends), 0)') == 0 });
    is(of_shared('coalesce(sum(bytes), 0), coalesce(sum(backends), 0)'), '0|0', "$_[0]: nothing is left");
    set_memory('200MB');
}

# ------------------------------------------------------------------ the same scores

set_memory('0');
is(everything(), $private, 'sharing is off: as without preload');
is(of_shared('count(*)'), 0, 'and nothing is shared');
set_memory('200MB');
is(everything(), $private, 'the backend that shares them scores the same');
is(everything(), $private, 'and so does one that finds them');
wait_until(sub { of_shared('sum(backends)') == 0 });
is(of_shared('count(*), min(hits) > 0, max(misses), min(bytes) > 0, sum(backends)'), '7|t|1|t|0', 'it has found all of them');
is(query("SELECT count(*) FROM ctr_model_cache s JOIN models m ON s.digest = convert_from(substr(m.model::bytea, 36, 64), 'UTF8')"), 7,
    'by their digests');
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
    SET max_parallel_workers_per_gather = 2; ALTER TABLE clicks SET (parallel_workers = 2);';
my $hits = of_shared('sum(hits)');
query("$parallel SELECT sum(ctr_predict((SELECT model FROM models WHERE name = 'deepcross'), c)) FROM clicks c");
cmp_ok(of_shared('sum(hits)'), '>=', $hits + 2, 'parallel workers find the model');
query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
query('CREATE EXTENSION ctr; CREATE TABLE models (name text, classes int, model ctr_model)', database => 'latin');
query("COPY models TO '$dir/models'");
query("COPY models FROM '$dir/models' ENCODING 'UTF8'", database => 'latin');
my $one = "SELECT name, ctr_predict(model, r) FROM models, (SELECT 0 AS label, 1 AS x, 2 AS y, 'c1' AS a, 'b' AS b, U&'\\00fc7919' AS d) r
    WHERE classes = 1 ORDER BY name";
is(query($one, database => 'latin'), query($one), 'a database of another encoding has its own categories');

# ------------------------------------------------------------------ memory

sub pss { return slurp("/proc/$_[0]/smaps_rollup") =~ /^Pss:\s+(\d+)/m ? $1 / 1024 : die "no PSS\n" }
sub slurp { local (@ARGV, $/) = @_; return <> }

# MB that this many backends take beyond as many that have not scored
sub memory_of
{
    my ($n, $sql) = @_;
    my @idle = map { start_query("SELECT count(*) FROM sized, sample; SELECT pg_sleep(120);") } 1 .. $n;
    my @busy = map { start_query("$sql SELECT pg_sleep(120);") } 1 .. $n;
    wait_until(sub { query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 2 * $n });
    my $sum = 0;
    $sum += pss($_->{pid}) for @busy;
    $sum -= pss($_->{pid}) for @idle;
    is(of_shared('backends', 1), $n, "$n backends have the model mapped") if $n > 1 && query('SHOW ctr.shared_model_memory') ne '0';
    query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    finish_query($_) for @idle, @busy;
    return $sum;
}

my $n = 6;
query(score_sized(1));
my $block = of_shared('bytes', 1) / 2**20;
my $apart;
cmp_ok(memory_of($n, score_sized(1)), '<', $block + 5 * $n, sprintf('%d backends have one model of %.0f MB', $n, $block));
set_memory('0');
cmp_ok(memory_of($n, score_sized(1)), '>', 0.7 * $n * $block, 'without sharing each has its own');
wait_until(sub { of_shared('coalesce(sum(backends), 0)') == 0 });
forget_all('after they were terminated');

# ------------------------------------------------------------------ bytes that are not as their digest says

query(<<'END');
CREATE CAST (bytea AS text) WITHOUT FUNCTION;
CREATE CAST (text AS ctr_model) WITHOUT FUNCTION;
CREATE TABLE damaged AS SELECT set_byte(model::bytea, octet_length(model::bytea) - 5, 1) AS bytes FROM sized WHERE n = 2;
CREATE TABLE named AS SELECT overlay(a.model::bytea PLACING substr(b.model::bytea, 1, 120) FROM 1 FOR 120) AS bytes FROM sized a, sized b WHERE a.n = 1 AND b.n = 2;
END
query_fails("SELECT ctr_predict(bytes::ctr_model, c) FROM $_, sample c", '22P03', 'invalid ctr_model', "a model of another's digest is refused: $_")
  for qw(damaged named);
query('SELECT ctr_predict(bytes::text::ctr_model, c) FROM damaged, sample c LIMIT 1');
is(of_shared('sum(bytes)', 2), 0, 'nor is it shared, if a superuser forces it in');
query(score_sized(2));
cmp_ok(of_shared('bytes', 2), '>', 0, 'the model of that digest is');

# ------------------------------------------------------------------ a bound, under use

my @expected = map { query("SET ctr.model_cache_size = '1MB'; " . score_sized($_)) } 1 .. 3;
forget_all('before a lower bound');
my $bound = int(1.6 * $block);
set_memory("${bound}MB");
my @users = map {
    my $user = $_;
    start_query("SET ctr.model_cache_size = '1MB'; SELECT pg_sleep(0.3); " . join ' ', map { score_sized(1 + ($_ + $user) % 3) } 1 .. 12);
} 1 .. 4;
my $most = 0;
wait_until(sub {
    my $bytes = of_shared('coalesce(sum(bytes), 0)');
    $most = $bytes if $bytes > $most;
    query("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'background_%'") == 0;
}, 300);
my %seen;
$seen{$_}++ for map { grep { length } split /\n/, finish_query($_) } @users;
is_deeply([ sort keys %seen ], [ sort @expected ], 'models that do not fit together score as ever');
cmp_ok($most, '<=', $bound * 2**20, 'within the bound');
cmp_ok($most, '>', 0, 'of which some was taken');
forget_all('afterwards');

# ------------------------------------------------------------------ a query that lasts

# Its rows come slowly, and it began longer ago than a model may be idle.
set_memory("${bound}MB");
my $slow = start_query('SET ctr.block_scoring = off; SELECT count(ctr_predict(model, c)), count(pg_sleep(31)) FROM sized, (SELECT * FROM sample LIMIT 2) c WHERE n = 1;');
sleep 61;
is(query(score_sized(2)), $expected[1], 'another model has no room beside the one in use');
is(of_shared('bytes', 2), 0, 'and is not shared');
is(finish_query($slow), '2|2', 'a query that lasts');
wait_until(sub { of_shared('backends', 1) == 0 });
cmp_ok(of_shared('bytes', 1), '>', 0, 'what a query has used all the time is not recalled');
forget_all('after that');

# ------------------------------------------------------------------ builders that end

# a backend that has begun to look for a model, and to build it if it is not shared
sub start_builder
{
    my ($n) = @_;
    my $before = of_shared('coalesce(sum(hits + misses), 0)', $n);
    my $builder = start_query('SELECT pg_sleep(0.3); ' . score_sized($n));
    wait_until(sub { of_shared('coalesce(sum(hits + misses), 0)', $n) > $before });
    return $builder;
}

for my $i (1 .. 12)
{
    my $builder = start_builder(1 + $i % 3);
    sleep 0.005 * $i;
    query("SELECT pg_terminate_backend($builder->{pid})");
    finish_query($builder);
    if ($i % 4 == 0)
    {
        is(query(score_sized(1 + $i % 3)), $expected[$i % 3], 'after builders were terminated, others build');
        is(of_shared('bytes > 0 AND backends = 0', 1 + $i % 3), 't', 'and share');
        forget_all('after that');
    }
}

# Stops a backend while it builds model 3. Only another backend looks and acts fast enough.
sub stopped_builder
{
    for (1 .. 20)
    {
        my $before = of_shared('coalesce(sum(misses), 0)', 3);
        my $builder = start_query('SELECT pg_sleep(1); ' . score_sized(3));
        query("DO \$\$ BEGIN
            FOR i IN 1 .. 100000 LOOP
                EXIT WHEN EXISTS (SELECT FROM shared WHERE n = 3 AND misses > $before);
                PERFORM pg_sleep(0.001);
            END LOOP;
            COPY (SELECT) TO PROGRAM 'kill -STOP $builder->{pid}; cat >/dev/null';
        END \$\$");
        return $builder if of_shared('bytes = 0', 3) eq 't';
        kill CONT => $builder->{pid};
        finish_query($builder);
        forget_all('a builder was too fast');
    }
    die "no builder was caught\n";
}

my $builder = stopped_builder();
my $waiting = start_query(score_sized(3));
wait_until(sub { query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $waiting->{pid}") eq 'Extension' });
query("SELECT pg_cancel_backend($waiting->{pid})");
like(finish_query($waiting), qr/57014/, 'who waits for a builder can be cancelled');
is(query(score_sized(3)), $expected[2], 'who has waited for long unpacks the model');
kill CONT => $builder->{pid};
is(finish_query($builder) =~ s/^\s+//r, $expected[2], 'and the builder goes on');
is(of_shared('bytes > 0', 3), 't', 'and shares it');

# ------------------------------------------------------------------ no memory, another model, a crash

# Sets a limit of a backend; its processes are the user postgres's when root runs the tests.
my $as_owner = $> == 0 ? 'runuser -u postgres --' : '';
sub limit { return system("$as_owner prlimit --pid $_[0]{pid} --$_[1] 2>/dev/null") == 0 }

# Room for the model, but not for all that a backend has of its own beside it. How much it needs before that is PostgreSQL's affair.
SKIP: {
    query(score_sized(2));
    my ($bytes, $failed) = (of_shared('bytes', 2), 0);
    for my $more (1, 2, 4, 6, 8) {
        my $blocked = start_query("SELECT blas FROM ctr_build_info(); SELECT count(*) FROM sized, sample; SELECT pg_sleep(2); " . score_sized(2) . "SELECT pg_sleep(120);");
        my $found = of_shared('hits', 2);
        wait_until(sub { query("SELECT wait_event FROM pg_stat_activity WHERE pid = $blocked->{pid}") eq 'PgSleep' });
        my $limit = int($bytes + 2**20 * ($more + backend_rss($blocked->{pid}, 'VmSize')));
        skip 'no prlimit', 2 if !limit($blocked, "as=$limit:$limit");
        wait_until(sub { query("SELECT query FROM pg_stat_activity WHERE pid = $blocked->{pid}") =~ /120/ });
        my $backends = of_shared('backends', 2);
        query("SELECT pg_terminate_backend($blocked->{pid})");
        $failed = finish_query($blocked) =~ /ERROR:\s+53200: out of memory/ && of_shared('hits', 2) > $found;
        next if !$failed;
        is($backends, 0, 'a model that could not be opened is not kept');
        last;
    }
    ok($failed, 'which was tried');
}

my $poor = start_query('SELECT pg_sleep(1); ' . score_sized(1));
SKIP: {
    forget_all('before the system has none');
    skip 'no prlimit', 2 if !limit($poor, 'fsize=1000000:1000000');
    is(finish_query($poor) =~ s/^\s+//r, $expected[0], 'where the system has no memory to share, a backend uses its own');
    like(slurp("$dir/server.log"), qr/LOG:  ctr shares no memory for now/, 'and says so in the log');
}
query('UPDATE sized SET n = 4 - n');
is(query(score_sized(1)), $expected[2], 'another model in the same row');
query('UPDATE sized SET n = 4 - n');

my $killed = start_query(score_sized(2) . 'SELECT pg_sleep(120);');
wait_until(sub { query("SELECT wait_event FROM pg_stat_activity WHERE pid = $killed->{pid}") eq 'PgSleep' });
kill KILL => $killed->{pid};
finish_query($killed);
wait_until(sub { (run_psql('SELECT 1'))[0] == 0 });
is(of_shared('count(*)'), 0, 'after a crash the server shares nothing');
is(query(score_sized(2)) . query(score_sized(2)), $expected[1] x 2, 'and then models again');
is(of_shared('hits', 2), 1, 'as before');

done_testing();
