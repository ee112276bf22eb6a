# How long a training of a large model, and such a model's way out and in, computes on after it was cancelled: its backend's
# CPU seconds, which a busy machine does not change.
#
#   make bench BENCH=cancel
#
# Settings, as environment variables: CASES ("large continued each all text binary"), MOMENTS (18: cancels of each case), MEGABYTES (448:
# the large model), FIELDS (400: of FiBiNET).
#
# Each case is first run to its end, then cancelled at moments spread over the whole of it and, half of them, over its last
# fifth, where the model is put together. Prints a Markdown table: the worst moment of each case, and its user and system time.
use strict;
use warnings;
use CtrTest;
use POSIX ();
use Time::HiRes qw(sleep);

my $moments = $ENV{MOMENTS} // 18;
my $megabytes = $ENV{MEGABYTES} // 448;
my $fields = $ENV{FIELDS} // 400;

# four columns of categories that all differ, with embeddings of 128 numbers
my $rows = int($megabytes * 1e6 / 4 / 128 / 4);
my $large = "ctr_deepcross(n_cross => 1, d_embed_max => 128, mlp_layers => '{8}')
    || ctr_fit(recipe => 'reference', epochs => 1, batch_size => 4096)";
my $fibinet = sub { "ctr_fibinet(bilinear_type => 'field_$_[0]', mlp_layers => '{8}') || ctr_fit(epochs => 1, batch_size => 64)" };
my $kept = "SET client_min_messages = warning; INSERT INTO kept SELECT ctr_train(r, $large) FROM many r";
my $file = query('SHOW data_directory') . '/kept';
my $train = sub { "SELECT length(ctr_train(r, $_[1])::bytea) FROM $_[0] r" };
# what it is called, the statement, what has to be there
my %cases = (
    large => ["training $megabytes MB", $train->('many', $large)],
    continued => ["going on from $megabytes MB", $train->('many', "$large, (SELECT model FROM kept LIMIT 1)"), $kept],
    each => ["FiBiNET field_each, $fields fields", $train->('wide', $fibinet->('each'))],
    all => ["FiBiNET field_all, $fields fields", $train->('wide', $fibinet->('all'))],
    text => ["$megabytes MB as text and back", 'SELECT length(ctr_model_in(ctr_model_out(model))::bytea) FROM kept LIMIT 1', $kept],
    binary => ["COPY $megabytes MB in binary format", "COPY came FROM '$file' (FORMAT binary)",
        "$kept; CREATE TABLE came (model ctr_model); COPY (SELECT model FROM kept LIMIT 1) TO '$file' (FORMAT binary)"]);

query("SET client_min_messages = warning;
    CREATE TABLE many AS SELECT i % 2 AS label, 'a' || i AS a, 'b' || i AS b, 'c' || i AS c, 'd' || i AS d FROM generate_series(1, $rows) i;
    CREATE TABLE kept (model ctr_model)");
query('CREATE TABLE wide AS SELECT i % 2 AS label, ' . join(', ', map { "'c' || i * $_ % 7 AS c$_" } 1 .. $fields) . ' FROM generate_series(1, 2000) i');

# user and system time in seconds, in SQL and of a process
my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
my $computed = qq{SELECT format('computed %s %s', f[12]::int / $ticks.0, f[13]::int / $ticks.0) FROM
    (SELECT string_to_array(substring(pg_read_file('/proc/' || pg_backend_pid() || '/stat') FROM '\\) (.*)\$'), ' ') AS f) s};

sub times_of
{
    my ($pid) = @_;
    my @fields = split ' ', CtrTest::slurp("/proc/$pid/stat") =~ s/^.*\) //r;
    return map { $_ / $ticks } @fields[11, 12];
}

# runs the statement, cancelled after so many CPU seconds (undef: never); the times at the cancel and at its end, or nothing
sub run
{
    my ($statement, $after) = @_;
    my $handle = start_query("SET client_min_messages = warning; $statement;\n$computed;");
    my @before = (0, 0);
    if (defined $after) {
        sleep 0.005 while (@before = times_of($handle->{pid})) && $before[0] + $before[1] < $after && CtrTest::slurp($handle->{out}) eq '';
        kill 'INT', $handle->{pid};
    }
    my $out = finish_query($handle);
    # a cancel that comes late ends nothing, or the question for the time
    my @end = $out =~ /^computed (\S+) (\S+)/m;
    die $out if !@end && !defined $after;
    return @end && (!defined $after || $out =~ /57014/) ? (@before, @end) : ();
}

print "| statement | CPU seconds | cancels | worst, s | user | system | at |\n|---|---|---|---|---|---|---|\n";
for my $name (split ' ', $ENV{CASES} // 'large continued each all text binary') {
    my ($what, $statement, $first) = @{ $cases{$name} or die "no case \"$name\"\n" };
    query($first) if $first;
    my (undef, undef, @all) = run($statement);
    my $total = $all[0] + $all[1];
    my ($cancels, @worst) = (0, -1);
    for my $i (0 .. $moments - 1) {
        my $share = ($i % 2 ? 0.8 : 0) + ($i + 0.5) / $moments * ($i % 2 ? 0.2 : 0.8);
        my @times = run($statement, $share * $total) or next;
        my @more = ($times[2] - $times[0], $times[3] - $times[1]);
        $cancels++;
        @worst = ($more[0] + $more[1], @more, $share) if $more[0] + $more[1] > $worst[0];
    }
    printf "| %s | %.1f | %d | %.2f | %.2f | %.2f | %.0f %% |\n", $what, $total, $cancels, @worst[0 .. 2], 100 * $worst[3];
}
