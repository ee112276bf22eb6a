# Rows beyond maintenance_work_mem spill to temporary files: the model is the same, the backend stays small, and the
# files obey temp_file_limit and are gone afterwards.
use strict;
use warnings;
use CtrTest;
use Test::More;

generate_rows(60000);

sub trained
{
    my ($memory) = @_;
    return query("SET maintenance_work_mem = '$memory'; SET log_temp_files = 0; SET client_min_messages = log;
        SELECT md5(string_agg(t.name || ctr_tensor(model, t.name)::text, ',' ORDER BY t.name))
        FROM (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 2)) AS model FROM criteo c OFFSET 0) m,
             ctr_tensors(model) t WHERE t.name NOT LIKE 'ctr.history%'");
}

sub temp_bytes { return query("SELECT pg_stat_force_next_flush(); SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()") =~ /(\d+)$/ ? $1 : undef }

my $plenty = trained('256MB');
my $spilled = trained('1MB');
is($spilled, $plenty, 'spilled rows give the same tensors as rows in memory');
is(temp_files(), '', 'temporary files are gone after a training');

# Numbers with many different values are sorted in an array, or, where 16 MB do not hold one column, in files; those with
# few are counted. Neither the quantiles nor the means know.
query('CREATE TABLE numbers AS SELECT i % 2 AS label, sin(i) AS many, i % 1000 AS few FROM generate_series(1, 1200000) i');
sub quantiles
{
    my ($memory) = @_;
    return query("SET maintenance_work_mem = '$memory'; SET client_min_messages = error;
        SELECT string_agg(md5(ctr_tensor(model, t.name)::text), ',' ORDER BY t.name) || count(*)
        FROM (SELECT ctr_train(n, ctr_fit(epochs => 1, validation => 0, max_seconds => 1e-6, recipe => 'reference')) AS model
              FROM numbers n OFFSET 0) m, ctr_tensors(model) t WHERE t.name LIKE 'ctr.numerical.%'");
}
my ($array, $files) = (quantiles('1GB'), quantiles('1MB'));
like($array, qr/,.*[1-9]$/, 'numerical columns have tensors');
is($files, $array, 'numbers sorted in files as in memory');
query('DROP TABLE numbers');

# While it runs there are temporary files; a cancel removes them.
my $endless = q{SELECT length(ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1000, patience => 1000))::bytea) FROM criteo c};
for my $memory ('1MB', '256MB') {
    my $handle = start_query("SET maintenance_work_mem = '$memory'; $endless;");
    if ($memory eq '1MB') {
        wait_until(sub { temp_files() ne '' });
        pass('1MB spills');
    } else {
        sleep 3;
        is(temp_files(), '', '256MB does not');
    }
    query("SELECT pg_cancel_backend($handle->{pid})");
    finish_query($handle);
    is(temp_files(), '', 'no temporary files after a cancel');
}

query_fails("SET maintenance_work_mem = '1MB'; SET temp_file_limit = '2MB'; $endless", '53400',
    'temporary file size exceeds "?temp_file_limit"?', 'temp_file_limit holds');
is(temp_files(), '', 'and leaves no temporary files');

# Many rows, little memory: resident memory is bounded by the limit, the model and a constant.
my $handle = start_query(q{SET maintenance_work_mem = '16MB';
    SELECT 'model ' || length(ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1))::bytea)
    FROM (SELECT c.* FROM criteo c, generate_series(1, 10)) c;
    SELECT pg_sleep(60);});
wait_until(sub { query("SELECT count(*) FROM pg_stat_activity WHERE pid = $handle->{pid} AND query LIKE '%pg_sleep%' AND query NOT LIKE '%ctr_train%'") }, 300);
my $peak = backend_rss($handle->{pid}, 'VmHWM');
my $shared = query(q{SELECT setting::bigint * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'});
query("SELECT pg_cancel_backend($handle->{pid})");
my ($model) = finish_query($handle) =~ /model (\d+)/;
my $bound = 16 + 5 * $model / 2**20 + 200;
cmp_ok($peak, '<', $bound, sprintf('600,000 rows: peak %.0f MB, shared buffers of %d MB included, bound %.0f MB', $peak, $shared, $bound));

done_testing();
