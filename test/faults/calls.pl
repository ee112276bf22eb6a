# Calls of the C library that fail while a function of the extension is at work: memory, shared memory, threads, a full disk.
# Each call that the extension makes, itself or through PostgreSQL, is one to fail, alone or with all that follow. Then there
# is an error that says so, or none and the right result; the session goes on, the next result is the same, nothing is left.
#
#   COUNT=number    how many faults, about as many for each work and kind of call; 0: each possible one
#   WORKS=pattern   of which statements of Faults.pm
#   SHARED=off      models are not shared, and the library is loaded by each session
use strict;
use warnings;
use CtrTest;
use Faults;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(time);

my $wanted = $ENV{COUNT} // 60;
my $pattern = $ENV{WORKS} // '.';
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");
my $shared = ($ENV{SHARED} // 'on') eq 'on';
my %kinds = (memory => qr/53200/, map => qr/53[12]00/, thread => qr/^\b$/, write => qr/53100/); # and the errors that may follow

my $here = dirname(__FILE__);
system('make', '-s', '-C', $here, 'build/failing.so') == 0 or die "failing.so could not be built\n";
my $dir = tempdir('/tmp/ctr-faults.XXXXXX', CLEANUP => 0);
my $server = "$here/../server";
END { my $status = $?; system($server, 'stop', $dir) if $dir; $? = $status }
my $library = "$dir/failing.so";
copy("$here/build/failing.so", $library) or die "$library: $!";
chmod 0755, $library, $dir; # for the server's owner
{
    local $ENV{LD_PRELOAD} = $library;
    system($server, 'start', $dir, 'fsync = off', 'jit = off', 'max_parallel_workers_per_gather = 0', 'autovacuum = off',
        $shared ? "shared_preload_libraries = 'ctr'" : "ctr.shared_model_memory = 0") == 0 or die "no server of our own\n";
}
$ENV{PGHOST} = $dir;
query("CREATE DATABASE $CtrTest::database", database => 'postgres');
query('CREATE EXTENSION ctr');
create_tables(400, 300, 500);
query(qq{CREATE FUNCTION fail(kind text, nth bigint, onwards boolean) RETURNS void LANGUAGE c AS '$library';
CREATE FUNCTION failed() RETURNS text LANGUAGE c AS '$library';});
my $log_begin = -s "$dir/server.log";

# ------------------------------------------------------------------ faults

# The n-th call of a kind fails, and those that follow it, too, or not, in a session that is new or has done the work before.
sub fault
{
    my ($kind, $nth, $onwards, $fresh) = @_;
    # OpenSSL is of no use for the rest of a session when it has no memory at its first use.
    my $warm = "DO \$\$ BEGIN PERFORM sha256(''), md5(''); END \$\$;";
    return { kind => $kind, name => "$kind $nth $onwards $fresh", said => "SELECT '-- ' || failed();",
        before => join "\n", ($fresh ? ("\\c -", $settings) : ()), $warm, "SELECT fail('$kind', $nth, $onwards);" };
}

# How many calls of each kind a work makes in a session that is new, and in one that has done it before.
sub count_calls
{
    my ($work) = @_;
    my %n;
    my @said = run_faults($work, map { fault('memory', 0, 'false', $_) } 1, 0);
    for my $fresh (1, 0) {
        my $text = $said[1 - $fresh] // '';
        $n{$_}{$fresh} = $text =~ /^-- calls:.* (\d+) $_\b/m ? $1 : die "$work: $text" for keys %kinds;
    }
    return %n;
}

# ------------------------------------------------------------------ all faults

my %plan;
my $calls = 0;
my @works = shuffle(grep { /$pattern/ } work_names());
splice @works, int($wanted / 3) if $wanted > 0 && @works > $wanted / 3; # counting takes its time, too
for my $work (@works) {
    my %n = count_calls($work);
    for my $kind (sort keys %kinds) {
        for my $fresh (1, 0) {
            push @{ $plan{$work}{$kind} }, map { (fault($kind, $_, 'false', $fresh), fault($kind, $_, 'true', $fresh)) } 1 .. $n{$kind}{$fresh};
        }
        $calls += @{ $plan{$work}{$kind} // [] };
    }
}
diag("$calls faults are possible");
# as many for each work and kind of call, or fewer where there are fewer
my $lists = grep { @{ $_ // [] } } map { @$_{ keys %kinds } } values %plan;
my $each = $wanted == 0 ? $calls : int(($wanted + $lists - 1) / ($lists || 1));
my (%tried, %hit, %sites, %errors);
for my $work (sort keys %plan) {
    my $expected = expected_result($work);
    for my $kind (sort keys %{ $plan{$work} }) {
        my @faults = shuffle(@{ $plan{$work}{$kind} // [] }) or next;
        splice @faults, $each if @faults > $each;
        my @said = run_faults($work, @faults);
        my @wrong;
        for my $i (0 .. $#faults) {
            my $text = $said[$i] // '';
            my $wrong = judge($text, $kinds{$kind}, $expected);
            my ($site) = $text =~ /^-- calls: .*; failed at (\w+)$/m;
            $wrong = 'an error without a fault' if $wrong eq '' && !defined $site && $text =~ /ERROR/;
            push @wrong, "$wrong: $faults[$i]{name}" if $wrong ne '';
            diag("$work: $wrong[-1]\n$text") if $wrong ne '' && @wrong <= 3;
            $tried{$kind}++;
            next if !defined $site;
            $hit{$kind}++;
            $sites{$kind}{$site}++;
            $errors{$kind}++ if $text =~ /ERROR/;
        }
        is(scalar @wrong, 0, sprintf '%s: %s fails, %d times', $work, $kind, scalar @faults);
    }
}
is(left_behind(), '', 'no backend, temporary file, progress or pin is left');
is(crashes("$dir/server.log", $log_begin), '', 'no backend has crashed');
diag(sprintf 'faults: %s fails: %d hit of %d, in %d places; %d errors, without any in the rest', $_, $hit{$_} // 0, $tried{$_}, scalar keys %{ $sites{$_} // {} }, $errors{$_} // 0) for sort keys %tried;
done_testing();
