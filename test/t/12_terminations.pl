# Sessions end in every way and at any moment while threads are at work: terminated from inside and outside, cancelled,
# timed out, their clients killed, the server shut down. Nothing crashes, no thread, process or file is left, and what comes
# next gives the same bytes. CTR_ENDS=number: how many ends, instead of 320.
use strict;
use warnings;
use CtrTest;
use Faults;
use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(sleep time);

my $ends = $ENV{CTR_ENDS} // 320;
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");

my (%seconds, %done);
my $hit = 0; # ends that came while the work was under way

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
    'terminated from outside' => qr/FATAL:\s+57P01|\A(?!.*(?:ERROR|FATAL))/s,
    'cancelled' => qr/^alive with 1 thread$|ERROR:\s+57014.*LOCATION[^\n]*\Z/ms,
    'timed out' => qr/^alive with 1 thread$/m,
    'its client killed' => qr//,
);
my %everywhere = map { $_ => 1 } 'terminated from outside', 'cancelled', 'timed out', 'its client killed';
my @cases;
for my $way (sort keys %ways) {
    push @cases, map { [$way, $_] } grep { $everywhere{$way} || rows_of($_) > 0 } work_names();
}

# ------------------------------------------------------------------ one server, many ends

create_tables(20000, 2000, 120000);
my $log = server_log();
my $log_begin = -s $log;
my $before = results();

for my $work (work_names()) {
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
    $hit++ if $said =~ /ERROR:\s+(?:57014|22012)|FATAL:\s+57P01/ || ($way eq 'its client killed' && $said =~ /\A\d+\n\z/);
    last if crashes($log, $log_begin) ne '';
}
for my $case (sort keys %done) {
    is($done{$case}[1] // 0, 0, sprintf('%s, %d times', $case, $done{$case}[0] // 0));
}

is(crashes($log, $log_begin), '', 'no backend has crashed');
is(left_behind(), '', 'no backend, temporary file, progress or pin is left');
is(results(), $before, 'the next results are the same bytes');

diag("faults: ends of sessions: $hit hit of $ends");

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
