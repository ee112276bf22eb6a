# The view ctr_progress: other sessions see each phase of a training; its row goes at the end, at an error, a cancel and a
# termination; other roles see that there is one and no more; COPY's own progress comes back.
use strict;
use warnings;
use CtrTest;
use Test::More;
use Time::HiRes qw(sleep);

generate_rows(20000);
query(q{CREATE TABLE few AS SELECT * FROM criteo WHERE id <= 2000;
        DROP ROLE IF EXISTS ctr_onlooker, ctr_statistician;
        CREATE ROLE ctr_onlooker LOGIN; CREATE ROLE ctr_statistician LOGIN IN ROLE pg_read_all_stats});

my $columns = 'phase, rows, group_number, epoch, epochs, batch, batches, loss, best_metric, best_epoch';

sub training
{
    my ($rows, $fit) = @_;
    return "SELECT length(ctr_train(c, ctr_deepcross() || ctr_fit(ignore => '{id}', $fit))::bytea) FROM $rows c";
}

# what the view says of a session, as a hash; nothing without a row
sub progress
{
    my ($handle, %options) = @_;
    my $row = query("SELECT $columns, elapsed >= '0' AND elapsed < '1 hour', estimated_end > now() - interval '1 hour', datname, usename
                     FROM ctr_progress WHERE pid = $handle->{pid}", %options);
    return unless length $row;
    my %row;
    @row{split(/, /, $columns), qw(elapsed estimated_end datname usename)} = split /\|/, $row, -1;
    return \%row;
}

# waits until a session's row has these values; the row
sub seen
{
    my ($handle, %values) = @_;
    my $row;
    wait_until(sub {
        $row = progress($handle);
        return $row && !grep { ($row->{$_} // '') !~ /^(?:$values{$_})$/ } keys %values;
    });
    return $row;
}

sub gone { my ($handle) = @_; wait_until(sub { !progress($handle) }); return 1 }

# ---------------------------------------------------------------- phases

# The rows come one by one.
my $slow = start_query("SELECT length(ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) FILTER (WHERE pg_sleep(0.01) IS NOT NULL)::bytea)
                        FROM few c");
my $row = seen($slow, phase => 'reading', rows => '[1-9]\d*');
cmp_ok($row->{rows}, '<', 2000, 'rows are counted while they are read');
is(join('|', map { $_ // '' } @$row{qw(group_number epoch epochs loss best_metric best_epoch estimated_end)}), '||||||',
    'what is not known is NULL');
is("$row->{elapsed} $row->{usename}", 't postgres', 'elapsed, usename');
is($row->{datname}, query('SELECT current_database()'), 'datname');
query("SELECT pg_cancel_backend($slow->{pid})");
like(finish_query($slow), qr/57014/, 'cancelled');
ok(gone($slow), 'a cancelled training has no row');

my $compares = start_query(training('criteo', 'epochs => 4, patience => 0, candidates => 2'));
ok(seen($compares, phase => 'comparing', epoch => '[1-9]', best_epoch => '[1-9]'), 'settings that are compared');
query("SELECT pg_cancel_backend($compares->{pid})");
like(finish_query($compares), qr/57014/, 'and cancelled then');
ok(gone($compares), 'without a row afterwards');

my $epochs = start_query(training('criteo', 'epochs => 100, patience => 100') . ";\nSELECT 1/0;\nSELECT pg_sleep(100)");
$row = seen($epochs, phase => 'training', epoch => '[2-9]', batch => '[1-9]\d*');
is("$row->{epochs} $row->{rows} $row->{batches}", '100 20000 32', 'epochs, rows, batches of an epoch');
cmp_ok($row->{batch}, '<=', $row->{batches}, 'batch of batches');
ok($row->{loss} > 0.1 && $row->{loss} < 1, 'loss of the epoch so far');
ok($row->{best_metric} > 0.1 && $row->{best_metric} < 1 && $row->{best_epoch} >= 1, 'best metric and its epoch');
is($row->{estimated_end}, 't', 'an estimated end');

my $cools = start_query(training('criteo', 'epochs => 3'));
ok(seen($cools, phase => 'training', epoch => 3, batches => 40), 'an epoch in which validation rows train as well has more batches');
finish_query($cools);

# ---------------------------------------------------------------- whose rows one sees

my $other = progress($epochs, user => 'ctr_onlooker');
is(join('|', map { $_ // '' } @$other{qw(phase rows epoch loss elapsed usename)}), '|||||postgres', 'another role sees that there is one');
is(progress($epochs, user => 'ctr_statistician')->{epochs}, 100, 'pg_read_all_stats sees all of it');
query("SELECT pg_terminate_backend($epochs->{pid})");
finish_query($epochs);
ok(gone($epochs), 'a terminated training has no row');

# ---------------------------------------------------------------- other ends

my $fails = start_query("SELECT ctr_train(c, ctr_fit(ignore => '{id}')) FILTER (WHERE c.id < 100 OR 1 / (c.id - 100) IS NOT NULL) FROM few c;
                         SELECT pg_sleep(100)");
wait_until(sub { query("SELECT query FROM pg_stat_activity WHERE pid = $fails->{pid}") =~ /pg_sleep/ });
ok(gone($fails), 'a training that fails has no row');
query("SELECT pg_terminate_backend($fails->{pid})");
finish_query($fails);

my $cursor = start_query("BEGIN; DECLARE c CURSOR FOR " . training('few', 'epochs => 1') . ";\nFETCH c;\nSELECT pg_sleep(100)");
wait_until(sub { query("SELECT query FROM pg_stat_activity WHERE pid = $cursor->{pid}") =~ /pg_sleep/ });
ok(gone($cursor), 'a training that has ended has no row, though its cursor is open');
query("SELECT pg_terminate_backend($cursor->{pid})");
finish_query($cursor);

# ---------------------------------------------------------------- groups, subtransactions, COPY

my $groups = start_query('SET enable_hashagg = off; SELECT id % 3, length(ctr_train(c, ctr_fit(ignore => \'{id}\', epochs => 30, patience => 30))::bytea)
                          FROM criteo c GROUP BY id % 3');
ok(seen($groups, phase => 'training', group_number => $_), "group $_") for 1 .. 3;
finish_query($groups);

query(q{CREATE FUNCTION recovers(i int) RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_sleep(0.01);
            PERFORM 1 / (i - i);
        EXCEPTION WHEN division_by_zero THEN
            RETURN true;
        END $$});
my $recovers = start_query("SELECT ctr_train(c, ctr_fit(ignore => '{id}')) FILTER (WHERE recovers(c.id::int)) FROM few c");
ok(seen($recovers, phase => 'reading', rows => '[1-9]\d+'), 'rows whose functions end subtransactions');
query("SELECT pg_cancel_backend($recovers->{pid})");
finish_query($recovers);

my $copy = start_query('COPY (SELECT g, CASE WHEN g = 1 THEN (' . training('few', 'epochs => 200, patience => 200') . ")
                        ELSE length(pg_sleep(g)::text) END FROM generate_series(1, 100) g) TO '/dev/null'");
ok(seen($copy, phase => 'training'), 'inside of COPY');
ok(gone($copy), 'and then no more');
is(query("SELECT command FROM pg_stat_progress_copy WHERE pid = $copy->{pid}"), 'COPY TO', 'and COPY has its own progress again');
query("SELECT pg_cancel_backend($copy->{pid})");
finish_query($copy);
is(query("SELECT count(*) FROM pg_stat_progress_copy"), 0, 'until it ends');

is(query('SELECT count(*) FROM ctr_progress'), 0, 'no row is left');
query('DROP ROLE ctr_onlooker, ctr_statistician');
done_testing();
