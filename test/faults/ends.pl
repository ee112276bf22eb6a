# The server goes while functions of the extension are at work: a backend is killed, so that PostgreSQL stops all others and
# recovers, or the server is shut down, fast or immediately. Then it starts, has no temporary file left, and gives the same
# results.
#
#   COUNT=number   how many rounds of each kind, each with three sessions
use strict;
use warnings;
use CtrTest;
use Faults;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{COUNT} // 1;
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");

my $server = dirname(__FILE__) . '/../server';
my $dir = tempdir('/tmp/ctr-faults.XXXXXX', CLEANUP => 0);
sub start_server { system($server, 'start', $dir, 'fsync = off', "shared_preload_libraries = 'ctr'", 'autovacuum = off') == 0 or die "no server of our own\n" }
start_server();
END { my $status = $?; system($server, 'stop', $dir) if $dir; $? = $status }
$ENV{PGHOST} = $dir;
query("CREATE DATABASE $CtrTest::database", database => 'postgres');
query('CREATE EXTENSION ctr');
create_tables(20000, 2000, 20000);
my $before = results();
my @works = grep { $_ ne 'options' } work_names();
my (%tried, %hit, %seconds);

# How long a work takes, in seconds; measured once.
sub seconds
{
    my ($work) = @_;
    return $seconds{$work} //= do {
        my $session = start_session(work($work) . ';');
        my $began = time();
        end_session($session);
        time() - $began;
    };
}

sub postmaster { return CtrTest::slurp("$dir/data/postmaster.pid") =~ /^(\d+)/ ? $1 : die }

# ------------------------------------------------------------------ the server goes

# What the log says from byte $from on
sub log_since
{
    my ($from) = @_;
    open my $file, '<', "$dir/server.log" or die;
    seek $file, $from, 0;
    return join '', <$file>;
}

# The server starts anew by itself, once it has seen the end; it may not have, where the backend has just ended by itself.
sub kill_backend
{
    my ($session) = @_;
    my $from = -s "$dir/server.log";
    my $began = time();
    kill 'KILL', $session->{backend} or return;
    wait_until(sub {
        my $log = log_since($from);
        $log =~ /signal 9/ ? $log =~ /ready to accept connections/ : time() - $began > 5;
    }, 120);
}

# each ends the server, or a backend in it, from outside
my %ends = (
    'a backend is killed' => \&kill_backend,
    'fast shutdown' => sub { kill 'INT', postmaster() },
    'immediate shutdown' => sub { kill 'QUIT', postmaster() });

sub end_server
{
    my ($kind) = @_;
    my @chosen = (shuffle(@works))[0 .. 2];
    my $seconds = seconds($chosen[-1]);
    my @started = map { { work => $_, session => start_session(work($_) . ";\n\\echo done") } } @chosen;
    my $postmaster = postmaster();
    sleep rand 0.8 * $seconds;
    $ends{$kind}->($started[-1]{session});
    my @cut = grep { end_session($_->{session}) !~ /^done$/m } @started;
    if ($kind ne 'a backend is killed') {
        wait_until(sub { !kill 0, $postmaster }, 60);
        start_server();
    }
    $tried{$kind} += @started;
    $hit{$kind} += @cut;
    return join ', ', map { $_->{work} } @cut;
}

for my $kind (sort keys %ends) {
    my $wrong = 0;
    for (1 .. $rounds) {
        my $log_begin = -s "$dir/server.log";
        my $cut = end_server($kind);
        my $left = left_behind();
        my $now = results();
        # The one that was killed, and no other.
        my @crashes = grep { /terminated by signal|PANIC|TRAP:/ && !($kind eq 'a backend is killed' && /signal 9/) } split /^/, log_since($log_begin);
        next if $left eq '' && $now eq $before && !@crashes;
        $wrong++;
        diag("$kind during $cut: left '$left'", @crashes, $now eq $before ? '' : ', the results differ');
    }
    is($wrong, 0, sprintf '%s, %d times', $kind, $rounds);
}
diag(sprintf 'faults: %s: %d sessions hit of %d', $_, $hit{$_} // 0, $tried{$_}) for sort keys %tried;
done_testing();
