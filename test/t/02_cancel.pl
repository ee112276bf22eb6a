# Cancel, statement_timeout and termination take effect within 0.2 s wherever a training or a scoring is, and the
# backend lives on. Asserted is not that time, which depends on what else the machine does, but how long the backend's
# threads compute before they heed it.
use strict;
use warnings;
use CtrTest;
use Test::More;
use POSIX ();
use Time::HiRes qw(sleep);

my $limit = 0.5; # seconds of all threads together
generate_rows(60000);
query(q{CREATE VIEW more_rows AS SELECT c.* FROM criteo c, generate_series(1, 8)});

sub training
{
    my ($rows, $fit, $network) = @_;
    $network //= 'ctr_deepcross()';
    return "SELECT length(ctr_train(c, $network || ctr_fit(ignore => '{id}', epochs => 1000, patience => 1000, $fit))::bytea) FROM $rows c";
}

# what, SQL, seconds after which it is cancelled; 'epoch': once the first has ended
my @cases = (
    ['scan', training('more_rows', 'seed => 1'), [0.1, 0.4]],
    ['scan, encoding, first epochs', training('more_rows', 'seed => 1'), [0.8, 1.2, 1.6, 2, 2.4, 2.8]],
    ['spilled rows', "SET maintenance_work_mem = '1MB'; " . training('more_rows', 'seed => 1'), [0.7, 1.5, 2.3, 3.1]],
    ['pairs of columns', training('more_rows', "crosses => 'auto', seed => 1"), [1.6, 2, 2.4, 2.8, 3.2, 3.6, 4]],
    ['epochs', training('criteo', 'seed => 1'), ['epoch']],
    ['epochs, one thread', training('criteo', 'threads => 1'), ['epoch']],
    ['a big batch: its memory, its step', training('criteo', 'batch_size => 12000', "ctr_deepcross(mlp_layers => '{2048,2048,2048}')"),
        [0.7, 1, 1.3, 2, 3]],
    ['validation', training('criteo', 'validation => 0.9', "ctr_deepcross(mlp_layers => '{1024,1024,1024}')"), [1.5, 2, 2.5]],
    ['evaluation', q{WITH m AS MATERIALIZED (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) AS model FROM criteo c)
        SELECT (ctr_evaluate(m.model, c)).auc FROM m, more_rows c, generate_series(1, 100)}, [4]]);

# seconds that all threads of the session's backend have computed, in SQL
my $computed = q{(SELECT (f[12]::int + f[13]::int) / } . POSIX::sysconf(POSIX::_SC_CLK_TCK()) . q{.0 FROM
    (SELECT string_to_array(substring(pg_read_file('/proc/' || pg_backend_pid() || '/stat') FROM '\) (.*)$'), ' ') AS f) s)};
my $slowest = 0;

# a test: a statement that was cancelled when its backend had computed for $before seconds soon ended
sub ends_soon
{
    my ($out, $before, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($after) = $out =~ /^computed ([\d.]+)/m;
    my $seconds = defined $after ? $after - $before : 1e6;
    $slowest = $seconds if $seconds > $slowest;
    return cmp_ok($seconds, '<', $limit, sprintf('%s: it went on for %.2f s', $name, $seconds));
}

for my $case (@cases) {
    my ($what, $sql, $moments) = @$case;
    for my $moment (@$moments) {
        my $handle = start_query("$sql;\nSELECT 'computed ' || $computed;\nSELECT 'alive ' || pg_backend_pid();");
        if ($moment eq 'epoch') {
            wait_until(sub { CtrTest::slurp($handle->{out}) =~ /epoch 1\// }, 300);
        } else {
            sleep $moment;
        }
        my $before = cpu_seconds($handle->{pid});
        kill 'INT', $handle->{pid};
        my $out = finish_query($handle);
        like($out, qr/ERROR:\s+57014: canceling statement due to user request.*alive $handle->{pid}/s,
            "$what: cancelled at $moment, the backend lives");
        ends_soon($out, $before, "$what, $moment");
    }
    query_fails("SET statement_timeout = '1500ms'; $sql", '57014', 'canceling statement due to statement timeout',
        "$what: statement_timeout");
}

# Rows are read while those before them are scored, by a network that takes its time: work under way is given up.
query(qq{CREATE FUNCTION cancel() RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN
    RAISE WARNING 'before %', $computed;
    RETURN pg_cancel_backend(pg_backend_pid());
END \$\$});
query(q{SET client_min_messages = warning; CREATE TABLE wide AS
    SELECT ctr_train(c, ctr_deepcross(mlp_layers => '{4000,4000}') || ctr_fit(ignore => '{id}', epochs => 1, validation => 0, max_seconds => 0.001)) AS model
    FROM (SELECT * FROM criteo LIMIT 100) c});
my %slow = (
    'interactions' => 'generate_series(1, 10) i, LATERAL ctr_interactions(CASE WHEN i > 0 THEN model END)',
    'explanations' => '(SELECT * FROM criteo LIMIT 100) c, LATERAL ctr_explain(model, c)');
for my $what (sort keys %slow) {
    for my $moment (0.5, 1, 1.5) {
        my $handle = start_query("SELECT count(*) FROM wide, $slow{$what};
            SELECT 'computed ' || $computed;");
        sleep $moment;
        my $before = cpu_seconds($handle->{pid});
        kill 'INT', $handle->{pid};
        my $out = finish_query($handle);
        like($out, qr/ERROR:\s+57014/, "$what: cancelled at $moment");
        ends_soon($out, $before, "$what, $moment");
    }
}
for my $row (4100, 4800, 5000) {
    my $out = finish_query(start_query(qq{SET ctr.max_threads = 4; SET ctr.threads = 4;
        SELECT count(p) FROM (SELECT ctr_predict_batch((SELECT model FROM wide), c) OVER () AS p
            FROM (SELECT c.*, CASE WHEN id = $row THEN cancel() END AS z FROM criteo c) c) s;
        SELECT 'computed ' || $computed;}));
    my ($before) = $out =~ /before ([\d.]+)/;
    like($out, qr/ERROR:\s+57014/, "reading ahead: cancelled at row $row");
    ends_soon($out, $before // 0, 'reading ahead');
}
diag(sprintf('slowest cancel: %.2f s', $slowest));

# Interrupts that end no query, here the look whether the client is still there, do not start a step anew that takes longer.
for my $what ('train, "batch_size": 60000, "mlp_layers": [512, 512]', 'start, "d_embed_max": 128, "batch_size": 4096, "mlp_layers": [8]') {
    my ($name, $options) = split /, /, $what, 2;
    is(query("SET statement_timeout = '300s'; SET client_connection_check_interval = '20ms'; SET client_min_messages = warning;
              SELECT length(ctr_train(c, '{\"ignore\": [\"id\"], \"epochs\": 1, \"validation\": 0, \"min_count\": 1, \"threads\": 1, $options}')::bytea) > 0
              FROM (SELECT c.*, id::text AS many FROM criteo c) c"), 't', "regular interrupts: $name");
}

# A lost client ends a step that takes long, on one thread or two, while PostgreSQL's timer has it looked for.
for my $threads (1, 2) {
    my $lost = start_query("SET ctr.max_threads = 2; SET client_connection_check_interval = '20ms'; SET client_min_messages = warning; "
        . training('criteo', "validation => 0, batch_size => 30000, threads => $threads", "ctr_deepcross(mlp_layers => '{2048,2048,2048}')") . ';');
    wait_until(sub { cpu_seconds($lost->{pid}) > 6 }, 300);
    my $before = cpu_seconds($lost->{pid});
    my $after = $before;
    kill 'KILL', $lost->{process};
    finish_query($lost);
    wait_until(sub { my $now = eval { cpu_seconds($lost->{pid}) }; $after = $now if defined $now; !defined $now }, 300);
    cmp_ok($after - $before, '<', $limit, sprintf('a lost client, threads %d: it went on for %.2f s', $threads, $after - $before));
}

my $handle = start_query("$cases[2][1];");
sleep 2;
query("SELECT pg_terminate_backend($handle->{pid})");
finish_query($handle);
wait_until(sub { query("SELECT count(*) FROM pg_stat_activity WHERE pid = $handle->{pid}") == 0 }, 20);
pass('a terminated backend goes');
is(temp_files(), '', 'and no temporary files are left');

done_testing();
