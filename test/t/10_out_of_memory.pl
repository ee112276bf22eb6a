# Memory runs out while a training is set up or rows are read: an error that says so, and the session goes on.
use strict;
use warnings;
use CtrTest;
use Test::More;

plan skip_all => 'needs prlimit(1)' if system('prlimit --version >/dev/null 2>&1') != 0;

# the server's processes are the user postgres's when root runs the tests
my $as_owner = $> == 0 ? 'runuser -u postgres --' : '';
generate_rows(2000);

# Runs SQL in a backend whose address space may grow by `room` MB only; what psql said.
sub run_limited
{
    my ($room, $sql) = @_;
    my $handle = start_query("LOAD 'ctr'; SELECT blas FROM ctr_build_info(); SELECT pg_sleep(2); $sql; SELECT 'alive ' || count(*) FROM criteo;");
    sleep 1;
    my $size = backend_rss($handle->{pid}, 'VmSize');
    my $limit = int(($size + $room) * 2**20);
    system("$as_owner prlimit --pid $handle->{pid} --as=$limit:$limit") == 0 or die "prlimit failed\n";
    return finish_query($handle);
}

my %cases = (
    'parameters' => [100, q({"mlp_layers": [8192, 4096], "epochs": 1})],
    'training' => [400, q({"mlp_layers": [8192, 4096], "epochs": 1})],
    'batches' => [200, q({"mlp_layers": [256, 256], "batch_size": 1048576, "epochs": 1})],
);
for my $name (sort keys %cases) {
    my ($room, $options) = @{ $cases{$name} };
    my $rows = $name eq 'batches' ? '(SELECT c.* FROM criteo c, generate_series(1, 300)) c' : 'criteo c';
    my $said = run_limited($room, qq(SELECT ctr_train(c, '$options'::jsonb || ctr_fit(ignore => '{id}', threads => 1)) IS NOT NULL FROM $rows));
    like($said, qr/ERROR:\s+53200: out of memory/, "$name: out of memory is an error");
    like($said, qr/^alive 2000$/m, "$name: and the session goes on");
}

done_testing();
