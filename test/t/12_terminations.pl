# Sessions end in every way and at any moment while threads are at work: terminated from inside and outside, cancelled,
# timed out, their clients killed, the server shut down. Nothing crashes, no thread, process or file is left, and what comes
# next gives the same bytes. CTR_ENDS=number: how many ends, instead of 320.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(sleep time);

my $ends = $ENV{CTR_ENDS} // 320;
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");

my $settings = q{SET client_min_messages = warning; SET ctr.max_threads = 4; SET ctr.threads = 4; SET maintenance_work_mem = '1MB';
SET client_connection_check_interval = '5ms';};

query(q{SET client_min_messages = warning;
CREATE FUNCTION terminate() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ -- rows are read ahead of nothing volatile
BEGIN RETURN pg_terminate_backend(pg_backend_pid()); END $$;
CREATE TABLE clicks AS SELECT i AS id, (i * 7919 % 5 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city, 'd' || i % 5000 AS device
    FROM generate_series(1, 20000) i;
CREATE TABLE models AS
    SELECT 'slow' AS name, ctr_train(c, ctr_fibinet(d_embed => 32, mlp_layers => '{256,256}') || ctr_fit(epochs => 1, ignore => '{id}')) AS model
    FROM (SELECT * FROM clicks LIMIT 2000) c;
INSERT INTO models SELECT 'large', ctr_train(r, ctr_fit(epochs => 1, min_count => 1, recipe => 'reference', max_seconds => 0.001))
    FROM (SELECT i % 2 AS label, 'a' || i AS a, 'b' || i AS b, 'c' || i AS c, 'd' || i AS d FROM generate_series(1, 120000) i) r;});

# What is under way when a session ends: SQL, in which ROWS stands for the table that rows come from.
my %works = (
    train => q{SELECT length(ctr_train(c, ctr_fit(ignore => '{id,z}', epochs => 3, min_count => 1, threads => 4))::bytea) FROM ROWS c},
    predict => q{SELECT sum(p) FROM (SELECT ctr_predict_batch((SELECT model FROM models WHERE name = 'slow'), c) OVER () AS p FROM ROWS c) s},
    evaluate => q{SELECT (ctr_evaluate((SELECT model FROM models WHERE name = 'slow'), c)).auc FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    blocks => q{SELECT sum(ctr_predict((SELECT model FROM models WHERE name = 'slow'), c)) FROM ROWS c},
    crosses => q{SELECT length(ctr_train(c, ctr_wide_deep() || ctr_fit(ignore => '{id,z}', epochs => 1, min_count => 1, crosses => 'auto', cross_counts => true, threads => 4))::bytea)
        FROM (SELECT r.*, id % 11 AS a, id % 13 AS b, id % 17 AS d FROM ROWS r) c},
    drift => q{SELECT cardinality(ctr_drift((SELECT model FROM models WHERE name = 'slow'), c)) FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    explain => q{SELECT count(*) FROM (SELECT * FROM ROWS r LIMIT 400) c, LATERAL ctr_explain((SELECT model FROM models WHERE name = 'slow'), c)},
    load => q{SELECT ctr_predict((SELECT model FROM models WHERE name = 'large'), r) FROM (SELECT 'a1' AS a, 'b1' AS b, 'c1' AS c, 'd1' AS d) r},
    export => q{SELECT length(ctr_to_onnx(model)) FROM models WHERE name = 'large'},
    pack => q{SELECT length(ctr_load_weights(model, ctr_state_dict(model))::bytea) FROM models WHERE name = 'large'},
    report => q{SELECT length(ctr_report(model)) FROM models WHERE name = 'large'},
    parts => q{SELECT length(ctr_from_chunks(part, bytes)::bytea) FROM models, ctr_chunks(model, 100000) WHERE name = 'large'},
);

# rows that a work reads; none: its events can only come from outside
sub rows_of
{
    my ($work) = @_;
    return $works{$work} !~ /ROWS/ ? 0 : $works{$work} =~ /LIMIT (\d+)/ ? $1 : 20000;
}

# the work's SQL; with an event, which happens at a row of the table
sub work
{
    my ($name, $event, $row) = @_;
    my $z = $event ? "CASE WHEN id = $row THEN $event END" : '0';
    my $rows = "(SELECT k.*, $z AS z FROM clicks k)";
    return $works{$name} =~ s/ROWS/$rows/r;
}

# Runs SQL in a psql of its own: its process, its backend's, the file with what it said.
sub start_session
{
    my ($sql) = @_;
    our $count;
    my $name = scratch('session_' . ++$count);
    open my $in, '>', "$name.sql" or die;
    print $in "$settings\nSELECT pg_backend_pid();\n$sql\n";
    close $in;
    my $client = fork() // die "fork: $!";
    if ($client == 0) {
        $ENV{PGDATABASE} = $CtrTest::database;
        open STDOUT, '>', "$name.out";
        open STDERR, '>&', \*STDOUT;
        exec qw(psql -X -q -A -t -v VERBOSITY=verbose -f), "$name.sql";
    }
    my $session = { client => $client, out => "$name.out" };
    wait_until(sub { ($session->{backend}) = said($session) =~ /^(\d+)\n/ });
    return $session;
}

sub said
{
    my ($session) = @_;
    open my $file, '<', $session->{out} or return '';
    return join '', <$file>;
}

# Waits for the end of a session's client and backend.
sub end_session
{
    my ($session) = @_;
    waitpid $session->{client}, 0;
    wait_until(sub { !kill(0, $session->{backend}) }, 20);
    return said($session);
}

# A joined thread stays in /proc for a moment: the kernel wakes whoever joins it before it takes its entry away.
my $tasks = q{FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task')};
my $alive = qq{DO \$\$ BEGIN
    FOR i IN 1 .. 100 LOOP
        EXIT WHEN (SELECT count(*) $tasks) = 1;
        PERFORM pg_sleep(0.01);
    END LOOP;
END \$\$;
SELECT 'alive with ' || count(*) || ' thread' $tasks;};
my (%seconds, %done);

# One end; false: it was not as it should be. What was under way may have ended before.
my %ways = (
    'terminated from inside' => sub {
        my ($work) = @_;
        my $row = 1 + int rand rows_of($work);
        return end_session(start_session(work($work, 'terminate()', $row) . ';'));
    },
    'an error inside' => sub {
        my ($work) = @_;
        my $row = 1 + int rand rows_of($work);
        return end_session(start_session(work($work, '1 / (id - id)', $row) . ";\n$alive"));
    },
    'terminated from outside' => sub {
        my ($work) = @_;
        my $session = start_session(work($work) . ';');
        sleep rand $seconds{$work};
        kill 'TERM', $session->{backend};
        return end_session($session);
    },
    'cancelled' => sub {
        my ($work) = @_;
        my $session = start_session(work($work) . ";\n$alive");
        sleep rand $seconds{$work};
        kill 'INT', $session->{backend};
        return end_session($session);
    },
    'timed out' => sub {
        my ($work) = @_;
        my $milliseconds = 1 + int rand 1000 * $seconds{$work};
        # LOCAL: only the work has the limit, not the statement that tells what is left of it. When the time is over while the
        # executor frees what a work had, which looks at no interrupts, PostgreSQL raises the error in the statement that
        # comes next: the first ROLLBACK, whose transaction the second one ends.
        return end_session(start_session("BEGIN; SET LOCAL statement_timeout = $milliseconds;\n" . work($work) . ";\nROLLBACK; ROLLBACK;\n$alive"));
    },
    'its client killed' => sub {
        my ($work) = @_;
        my $session = start_session(work($work) . ';');
        sleep rand $seconds{$work};
        kill 'KILL', $session->{client};
        return end_session($session);
    },
);

# what the session must have said then; where the end came after the work, or before it, that is good, too
my %good = (
    'terminated from inside' => qr/FATAL:\s+57P01/,
    'an error inside' => qr/ERROR:\s+22012.*^alive with 1 thread$/ms,
    'terminated from outside' => qr/FATAL:\s+57P01|^\d+\n[\d.]+$/,
    'cancelled' => qr/^alive with 1 thread$|ERROR:\s+57014.*LOCATION[^\n]*\Z/ms,
    'timed out' => qr/^alive with 1 thread$/m,
    'its client killed' => qr//,
);
my %everywhere = map { $_ => 1 } 'terminated from outside', 'cancelled', 'timed out', 'its client killed';
my @cases;
for my $way (sort keys %ways) {
    push @cases, map { [$way, $_] } grep { $everywhere{$way} || rows_of($_) > 0 } sort keys %works;
}

sub results
{
    return query(qq{$settings
        SELECT md5(string_agg(t.name || ctr_tensor(model, t.name)::text, ',' ORDER BY t.name))
        FROM (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) AS model FROM clicks c OFFSET 0) m, ctr_tensors(model) t
        WHERE t.name NOT LIKE 'ctr.history%';
        SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM (
            SELECT id, ctr_predict_batch((SELECT model FROM models WHERE name = 'slow'), c) OVER () AS p FROM clicks c) s;
        $works{load};});
}

# What the log says from byte $from on about crashes.
sub crashes
{
    my ($path, $from) = @_;
    open my $file, '<', $path or die "$path: $!";
    seek $file, $from, 0;
    return join '', grep { /terminated by signal|PANIC|TRAP:|not properly shut down|reinitializing/ } <$file>;
}

# ------------------------------------------------------------------ one server, many ends

my $data = query('SHOW data_directory');
my $log = dirname($data) . '/server.log';
my $log_begin = -s $log;
my $before = results();

for my $work (sort keys %works) {
    my $began = time();
    end_session(start_session(work($work) . ';'));
    $seconds{$work} = time() - $began;
}
for my $i (1 .. $ends) {
    my ($way, $work) = @{ $cases[$i % @cases] };
    my $said = $ways{$way}->($work);
    my $good = $said =~ $good{$way};
    diag("$work: $way, but it said\n$said") unless $good;
    $done{"$work: $way"}[$good ? 0 : 1]++;
    last if crashes($log, $log_begin) ne '';
}
for my $case (sort keys %done) {
    is($done{$case}[1] // 0, 0, sprintf('%s, %d times', $case, $done{$case}[0] // 0));
}

is(crashes($log, $log_begin), '', 'no backend has crashed');
is(query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"), 0, 'no backend is left');
is(temp_files(), '', 'no temporary file is left');
is(results(), $before, 'the next results are the same bytes');

# ------------------------------------------------------------------ shutdowns, of a server of our own

my $dump = scratch('models.sql');
system("pg_dump --no-owner --file=$dump $CtrTest::database") == 0 or die "pg_dump failed\n";
chmod 0755, dirname($dump); # the server's owner may be another user

for my $round (1 .. 3) {
    my $own = scratch("server_$round");
    my $server = dirname(dirname(__FILE__)) . '/server';
    mkdir $own;
    system($server, 'start', $own, 'fsync = off') == 0 or die "no server of our own\n";
    local $ENV{PGHOST} = -e "$own/socket" ? CtrTest::slurp("$own/socket") : $own;
    local $CtrTest::database = 'postgres';
    query("\\i $dump");
    my ($postmaster) = CtrTest::slurp("$own/data/postmaster.pid") =~ /^(\d+)/;
    my @sessions = map { start_session(work($_) . ';') } 'train', 'predict', 'evaluate', 'predict', 'load';
    sleep 0.1 + rand 0.4;
    kill 'INT', $postmaster; # a fast shutdown
    end_session($_) for @sessions;
    wait_until(sub { !-e "$own/data/postmaster.pid" }, 20);
    like(CtrTest::slurp("$own/server.log"), qr/database system is shut down/, 'a fast shutdown is done');
    is(crashes("$own/server.log", 0), '', 'and no backend has crashed');
    system($server, 'stop', $own);
}

done_testing();
