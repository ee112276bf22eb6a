# Cancel, statement_timeout and termination take effect within 0.2 s wherever a training or a scoring is, and the
# backend lives on. Asserted is a second: a machine that runs other things too needs some slack.
use strict;
use warnings;
use CtrTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $limit = 1;
generate_rows(60000);
query(q{CREATE VIEW more_rows AS SELECT c.* FROM criteo c, generate_series(1, 8)});

sub training
{
    my ($rows, $fit, $network) = @_;
    $network //= 'ctr_deepcross()';
    return "SELECT length(ctr_train(c, $network || ctr_fit(ignore => '{id}', epochs => 1000, patience => 1000, $fit))::bytea) FROM $rows c";
}

# what, SQL, seconds after which it is cancelled, whether the first epoch has ended by then (undef: either)
my @cases = (
    ['scan', training('more_rows', 'seed => 1'), [0.1, 0.4], 0],
    ['scan, encoding, first epochs', training('more_rows', 'seed => 1'), [0.8, 1.2, 1.6, 2, 2.4, 2.8], undef],
    ['spilled rows', "SET maintenance_work_mem = '1MB'; " . training('more_rows', 'seed => 1'), [0.7, 1.5, 2.3, 3.1], undef],
    ['epochs', training('criteo', 'seed => 1'), [4], 1],
    ['epochs, one thread', training('criteo', 'threads => 1'), [5], 1],
    ['a big batch: its memory, its step', training('criteo', 'batch_size => 12000', "ctr_deepcross(mlp_layers => '{2048,2048,2048}')"),
        [0.7, 1, 1.3, 2, 3], undef],
    ['validation', training('criteo', 'validation => 0.9', "ctr_deepcross(mlp_layers => '{1024,1024,1024}')"), [1.5, 2, 2.5], undef],
    ['evaluation', q{WITH m AS MATERIALIZED (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) AS model FROM criteo c)
        SELECT (ctr_evaluate(m.model, c)).auc FROM m, more_rows c, generate_series(1, 100)}, [4], undef]);

my $slowest = 0;
for my $case (@cases) {
    my ($what, $sql, $moments, $epochs) = @$case;
    for my $moment (@$moments) {
        my $handle = start_query("$sql;\nSELECT 'alive ' || pg_backend_pid();");
        sleep $moment;
        query("SELECT pg_cancel_backend($handle->{pid})");
        my $cancelled = time();
        my $out = finish_query($handle);
        my $seconds = time() - $cancelled;
        $slowest = $seconds if $seconds > $slowest;
        like($out, qr/ERROR:\s+57014: canceling statement due to user request.*alive $handle->{pid}/s,
            "$what: cancelled after $moment s, the backend lives");
        cmp_ok($seconds, '<', $limit, sprintf('it took %.2f s', $seconds));
        is($out =~ /epoch 1\//, !!$epochs, $epochs ? 'that was in a later epoch' : 'that was before the first epoch ended')
            if defined $epochs;
    }
    query_fails("SET statement_timeout = '1500ms'; $sql", '57014', 'canceling statement due to statement timeout',
        "$what: statement_timeout");
}
diag(sprintf('slowest cancel: %.2f s', $slowest));

# Interrupts that end no query, here the look whether the client is still there, do not start a step anew that takes longer.
for my $what ('train, "batch_size": 60000, "mlp_layers": [512, 512]', 'start, "d_embed_max": 128, "batch_size": 4096, "mlp_layers": [8]') {
    my ($name, $options) = split /, /, $what, 2;
    is(query("SET statement_timeout = '60s'; SET client_connection_check_interval = '20ms'; SET client_min_messages = warning;
              SELECT length(ctr_train(c, '{\"ignore\": [\"id\"], \"epochs\": 1, \"validation\": 0, \"min_count\": 1, \"threads\": 1, $options}')::bytea) > 0
              FROM (SELECT c.*, id::text AS many FROM criteo c) c"), 't', "regular interrupts: $name");
}

my $handle = start_query("$cases[2][1];");
sleep 2;
query("SELECT pg_terminate_backend($handle->{pid})");
my $terminated = time();
finish_query($handle);
cmp_ok(time() - $terminated, '<', $limit, 'a terminated backend goes at once');
wait_until(sub { query("SELECT count(*) FROM pg_stat_activity WHERE pid = $handle->{pid}") == 0 });
is(temp_files(), '', 'and no temporary files are left');

done_testing();
