# A model of 600 MB, whose text no value holds: pg_dump refuses it and says what to do; in parts it goes through pg_dump and
# pg_restore; ONNX takes little more memory than the model and its copy. Only with LARGE=1: it takes minutes and some 5 GB of disk.
use strict;
use warnings;
use CtrTest;
use Test::More;

plan skip_all => 'a model of 600 MB (LARGE=1)' if !$ENV{LARGE};

query(<<'END');
SET client_min_messages = error;
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);
INSERT INTO models
SELECT 'large', ctr_train(r, ctr_wide_deep(d_embed => 128, mlp_layers => '{4}')
                             || ctr_fit(recipe => 'reference', min_count => 1, epochs => 1, max_seconds => 0.001, validation => 0))
FROM (SELECT i % 2 AS label, 'c' || i AS c FROM generate_series(1, 1200000) i) r;
END
my $digest = 'SELECT octet_length(model::bytea) / 1000000, md5(model::bytea) FROM models';
my $before = query($digest);
like($before, qr/^6\d\d\|/, 'a model of more than 600 MB');

my $dump = scratch('dump');
like(`pg_dump --format=custom --file=$dump $CtrTest::database 2>&1`, qr/too large for text.*ctr_chunks/s, 'pg_dump cannot, and says what can');

query('CREATE TABLE parts AS SELECT name, part, bytes FROM models, ctr_chunks(model)');
is(system("pg_dump --format=custom --compress=0 --exclude-table-data=models --file=$dump $CtrTest::database"), 0, 'pg_dump of its parts');
my $restored = "${CtrTest::database}_restored";
query("DROP DATABASE IF EXISTS $restored", database => 'postgres');
query("CREATE DATABASE $restored", database => 'postgres');
is(system("pg_restore -d $restored $dump"), 0, 'pg_restore');
unlink $dump;
is(query('SELECT count(*) FROM models', database => $restored), '0', 'without the model');
my $status = query("INSERT INTO models SELECT name, ctr_from_chunks(part, bytes) FROM parts GROUP BY name;
    SELECT pg_read_file('/proc/self/status')", database => $restored);
is(query($digest, database => $restored), $before, 'the same bytes from its parts');
cmp_ok($status =~ /VmHWM:\s+(\d+)/ ? $1 / 1024 : 1e9, '<', 2600, 'in the memory of some four models');
query("DROP DATABASE $restored", database => 'postgres');

# Cancelled when it has computed for so many seconds, a statement soon ends.
sub cancel
{
    my ($sql, @moments) = @_;
    for my $moment (@moments)
    {
        my $handle = start_query("$sql;");
        my $before = 0;
        wait_until(sub { ($before = cpu_seconds($handle->{pid})) > $moment });
        kill 'INT', $handle->{pid};
        my $after = $before;
        wait_until(sub { my $now = eval { cpu_seconds($handle->{pid}) }; $after = $now if defined $now; !defined $now });
        like(finish_query($handle), qr/57014/, "$sql: cancelled");
        cmp_ok($after - $before, '<', 0.5, sprintf('it went on for %.2f s', $after - $before));
    }
}
cancel('SELECT count(*) FROM models, ctr_chunks(model)', 0.2);
cancel('SELECT ctr_from_chunks(part, bytes) IS NULL FROM parts', 0.5, 1.5, 3);

SKIP:
{
    skip 'left out: a build without ONNX', 8 if query('SELECT onnx IS NULL FROM ctr_build_info()') eq 't';
    $status = query("SELECT octet_length(ctr_to_onnx(model)) / 1000000 FROM models; SELECT pg_read_file('/proc/self/status')");
    like($status, qr/^6\d\d$/m, 'as ONNX');
    cmp_ok($status =~ /VmHWM:\s+(\d+)/ ? $1 / 1024 : 1e9, '<', 2000, 'in the memory of some three models');
    cancel('SELECT length(ctr_to_onnx(model)) FROM models', 0.3, 0.8, 1.2);
}
done_testing();
