# A model's row is replaced, deleted, vacuumed or truncated every second while clients score with it, half of them with room for hardly
# a model: no error, and every score is that of the version that the same row says. DURATION=seconds, CLIENTS=number, CATEGORIES=number
# (of the models, whose size they make): DURATION=200 CLIENTS=50 CATEGORIES=20000 is the long form.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);

my $duration = $ENV{DURATION} // 7;
my $clients = $ENV{CLIENTS} // 8;
my $categories = $ENV{CATEGORIES} // 2000;
my $versions = 5;
my $candidates = 200;
my $repeating = 2; # clients in REPEATABLE READ, besides

plan skip_all => 'there is no pgbench' if system('pgbench --version >' . scratch('pgbench') . ' 2>&1') != 0;

# Versions differ in their seed only, so all else of them is alike. Candidates are rows whose scores lie apart; returns their number.
sub create_models
{
    query(qq{SET client_min_messages = warning;
CREATE TABLE all_rows AS SELECT i AS id, (i * 7919::bigint % 100 < 30 + i % 13)::int AS label, i % 977 AS price, 'c' || i % 13 AS city, 'u' || i % $categories AS visitor
    FROM generate_series(1, 2 * $categories) i;
CREATE TABLE versions (version int PRIMARY KEY, model ctr_model);
INSERT INTO versions SELECT v, (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1, max_seconds => 2, min_count => 1, seed => v)) FROM all_rows c)
    FROM generate_series(1, $versions) v;
CREATE TABLE expected AS SELECT v.version, c.id, ctr_predict(v.model, c) AS p FROM versions v, (SELECT * FROM all_rows LIMIT 2000) c;
CREATE TABLE chosen AS SELECT row_number() OVER (ORDER BY a.id) AS nr, a.id FROM (SELECT DISTINCT id FROM expected) a
    WHERE NOT EXISTS (SELECT FROM expected x JOIN expected y USING (id) WHERE id = a.id AND x.version < y.version AND abs(x.p - y.p) < 1e-4);
CREATE TABLE candidates AS SELECT nr, c.* FROM all_rows c JOIN chosen USING (id) WHERE nr <= $candidates;
ALTER TABLE candidates ADD PRIMARY KEY (nr);
ALTER TABLE expected ADD PRIMARY KEY (id, version);
CREATE TABLE models (name text PRIMARY KEY, version int, model ctr_model);
INSERT INTO models SELECT 'live', version, model FROM versions WHERE version = 1;
VACUUM ANALYZE;

-- divides by zero where something is wrong
CREATE FUNCTION must(boolean) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1 / coalesce(\$1, false)::int';
CREATE FUNCTION score_by_variable(bigint) RETURNS int LANGUAGE plpgsql STABLE AS \$\$
DECLARE live models; c candidates;
BEGIN
    SELECT * INTO live FROM models WHERE name = 'live';
    IF NOT FOUND THEN -- the table was truncated after the snapshot
        RETURN 1;
    END IF;
    SELECT * INTO STRICT c FROM candidates WHERE nr = \$1;
    RETURN must(abs(ctr_predict(live.model, c) - (SELECT p FROM expected e WHERE e.version = live.version AND e.id = c.id)) < 1e-6);
END \$\$;});
    return query('SELECT count(*) FROM candidates');
}

is(create_models(), $candidates, 'there are rows whose scores tell the versions apart');
my $bytes = query('SELECT octet_length(model::bytea) FROM models');

my $right = 'must(abs(ctr_predict(m.model, c) - e.p) < 1e-6)';
my $joined = "FROM models m, candidates c, expected e WHERE m.name = 'live' AND e.version = m.version AND e.id = c.id";
my $of_row = "\\set nr random(1, $candidates)\n";
my %scripts = (
    row => "${of_row}SELECT m.version, $right $joined AND c.nr = :nr;\n",
    page => "${of_row}SELECT min(m.version), sum($right) $joined AND c.nr BETWEEN :nr AND :nr + 99;\n",
    subquery => "${of_row}SELECT must(abs(s.p - e.p) < 1e-6) FROM expected e, (SELECT c.id, (SELECT version FROM models WHERE name = 'live') AS version,
        ctr_predict((SELECT model FROM models WHERE name = 'live'), c) AS p FROM candidates c WHERE c.nr = :nr) s WHERE e.id = s.id AND e.version = s.version;\n",
    variable => "${of_row}SELECT score_by_variable(:nr);\n",
    # 0: none, because a table that was truncated is empty to a snapshot of before
    repeating => "${of_row}BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT coalesce(max(m.version), 0) AS version, min($right) $joined AND c.nr = :nr \\gset\n"
        . join('', map { "\\sleep 700 ms\nSELECT must(m.version = :version), $right $joined AND c.nr = :nr;\n" } 1 .. 3) . "COMMIT;\n");

for my $name (keys %scripts) {
    open my $file, '>', scratch($name) or die;
    print $file $scripts{$name};
    close $file;
}

like(query('EXPLAIN ' . $scripts{page} =~ s/^.*\n//r =~ s/:nr/1/gr), qr/CtrBlockScan/, 'pages are scored in blocks');

# ------------------------------------------------------------------ clients

# Starts pgbench with scripts, each with its weight; what finish_clients needs.
sub start_clients
{
    my ($name, $n, $seconds, %weights) = @_;
    my @files = map { ('-f', scratch($_) . "\@$weights{$_}") } sort keys %weights;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        $ENV{PGDATABASE} = $CtrTest::database;
        open STDOUT, '>', scratch("$name.out");
        open STDERR, '>&', \*STDOUT;
        exec qw(pgbench -n -M prepared -j 2 -l), '--log-prefix=' . scratch("$name.log"), '-c', $n, '-T', $seconds, @files;
    }
    return { pid => $pid, name => $name, scripts => [sort keys %weights] };
}

# Whether all went well.
sub finish_clients
{
    my ($clients) = @_;
    waitpid $clients->{pid}, 0;
    my $out = CtrTest::slurp(scratch("$clients->{name}.out"));
    my $fine = $? == 0 && $out !~ /error|aborted|failed transactions: [1-9]/i;
    diag($out) unless $fine;
    return $fine;
}

# The latencies of one of the scripts, in order, in ms.
sub latencies
{
    my ($clients, $script) = @_;
    my ($number) = grep { $clients->{scripts}[$_] eq $script } 0 .. $#{ $clients->{scripts} };
    my @lines = map { split /\n/, CtrTest::slurp($_) } glob(scratch("$clients->{name}.log") . '.*');
    return sort { $a <=> $b } map { (split)[3] == $number ? (split)[2] / 1000 : () } @lines;
}

sub say_latencies
{
    my ($what, $clients) = @_;
    my @ms = latencies($clients, 'row');
    diag(sprintf '%s: %d queries of one row, median %.2f ms, 99 %% %.2f ms, worst %.0f ms', $what, scalar @ms, @ms[@ms / 2, @ms * 0.99, -1]);
    return scalar @ms;
}

# ------------------------------------------------------------------ replacements

my $new = "(SELECT model FROM versions WHERE version = %d)";
# each puts a version in place of another; %d is the version
my @replacements = (
    "UPDATE models SET version = %d, model = $new",
    "BEGIN; DELETE FROM models; INSERT INTO models VALUES ('live', %d, $new); COMMIT",
    "BEGIN; UPDATE models SET version = 0, model = NULL; UPDATE models SET version = %d, model = $new; COMMIT; VACUUM models",
    "BEGIN; TRUNCATE models; INSERT INTO models VALUES ('live', %d, $new); COMMIT",
    "BEGIN; UPDATE models SET version = 0, model = NULL; ROLLBACK; UPDATE models SET version = %d, model = $new",
    "UPDATE models SET version = %d, model = (SELECT model::bytea::ctr_model FROM versions WHERE version = %d)");

sub replace_for
{
    my ($seconds) = @_;
    my ($end, $n) = (time() + $seconds, 0);
    while (time() < $end) {
        my $next = time() + 1;
        my $version = 1 + ++$n % $versions;
        query($replacements[$n % @replacements] =~ s/%d/$version/gr);
        sleep($next - time()) if $next > time();
    }
    return $n;
}

my %mix = (row => 10, page => 1, subquery => 2, variable => 1);
my $still = start_clients('still', $clients, $duration, %mix);
ok(finish_clients($still), 'clients score');

# Replaces the model while clients score; returns how often, and the clients.
sub change_under_load
{
    my ($name) = @_;
    my $changing = start_clients($name, $clients - int($clients / 2), $duration, %mix);
    my $poor;
    {
        local $ENV{PGOPTIONS} = '-c ctr.model_cache_size=1MB';
        $poor = start_clients("$name.poor", int($clients / 2), $duration, %mix);
    }
    my $repeating_clients = start_clients("$name.repeating", $repeating, $duration, repeating => 1);
    my $replaced = replace_for($duration - 0.5);
    ok(finish_clients($changing), "$name: no error, and no score of another version");
    ok(finish_clients($poor), "$name: nor where memory has room for hardly a model");
    ok(finish_clients($repeating_clients), "$name: in REPEATABLE READ the version stays, and its scores");
    return ($replaced, $changing);
}

my ($replaced, $changing) = change_under_load('replaced');
diag(sprintf 'a model of %.1f MB, %d clients, replaced %d times in %d s', $bytes / 1e6, $clients, $replaced, $duration);
say_latencies('as it is', $still);
cmp_ok(say_latencies('replaced', $changing), '>', 0, 'clients had answers');
cmp_ok($replaced, '>', 1, 'the model was replaced');

# The check sees a score of another version.
query_fails("SELECT must(abs(ctr_predict(v.model, c) - e.p) < 1e-6) FROM versions v, candidates c, expected e
    WHERE v.version = 2 AND e.version = 3 AND e.id = c.id", '22012', 'division by zero', 'a wrong version is seen');

# ------------------------------------------------------------------ with models in memory that backends share

# Room for some of the versions.
my $room = int(3 * $bytes / 1024);
my $dir = tempdir('/tmp/ctr-updates.XXXXXX', CLEANUP => 0);
my $tool = dirname(dirname(__FILE__)) . '/server';
system($tool, 'start', $dir, "shared_preload_libraries = 'ctr'", "ctr.shared_model_memory = '${room}kB'", 'fsync = off') == 0 or die;
END { my $status = $?; system($tool, 'stop', $dir) if $dir; $? = $status }
$ENV{PGHOST} = $dir;
query("CREATE DATABASE $CtrTest::database", database => 'postgres');
query('CREATE EXTENSION ctr');
create_models();
($replaced, $changing) = change_under_load('shared');
say_latencies('replaced, models shared', $changing);
my $shared = query('SELECT count(*) FROM ctr_model_cache WHERE bytes > 0');
ok($shared > 0 && $shared < $versions, "$shared versions are in shared memory");

done_testing();
