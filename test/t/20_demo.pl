# make demo: a further run keeps what was made in an earlier one's database, two checkouts never share a server, and
# the psql that it prints connects whatever the checkout's name and the environment are.
use strict;
use warnings;
use Cwd qw(getcwd);
use File::Temp qw(tempdir);
use Test::More;

my $scratch = tempdir('/tmp/ctr-tap.XXXXXX', CLEANUP => 1);
chmod 0755, $scratch;
my ($checkout, $copy) = ("$scratch/it's \"a\" \$name, as long as a name can be: " . 'x' x 100, "$scratch/copy");

# What the environment may say of other servers; none of it may matter.
local @ENV{qw(PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGCLUSTER PGOPTIONS PGSERVICE)} =
  qw(/nowhere 192.0.2.1 1 nobody nothing 99/none --nonsense none);
$ENV{ROWS} = 2000;
delete $ENV{CRITEO};
delete @ENV{qw(MAKEFLAGS MFLAGS)};

# A checkout as make leaves it, without the server that this one may have.
mkdir $checkout or die "$checkout: $!";
open my $tar, '|-', 'tar', '-x', '-C', $checkout or die;
print $tar qx(tar -c --exclude=./.git --exclude=./.demo --exclude=./.venv .);
close $tar or die 'tar failed';

sub demo
{
    my ($where) = @_;
    my $home = getcwd();
    chdir $where or die "$where: $!";
    my $output = qx(make demo 2>&1 </dev/null);
    my $status = $?;
    chdir $home;
    diag($output) if $status != 0;
    return ($status, $output, $output =~ /Connect with.*\n +(.*)/ ? $1 : 'false');
}

sub ask
{
    my ($psql, $sql) = @_;
    my $answer = qx(cd / && $psql -XAtc "$sql" 2>&1);
    chomp $answer;
    return $answer;
}

my ($status, $output, $psql) = demo($checkout);
is($status, 0, 'the demo runs in a directory with a long name of blanks and quotes');
my ($report) = $output =~ m{^  (.+/report-demo\.html)$}m;
my $page = '';
if ($report && open my $file, '<', $report) {
    local $/;
    $page = <$file>;
}
like($page, qr{^<!DOCTYPE html>.*</html>\s*$}s, 'and leaves a report where it says');
is(ask($psql, 'SELECT count(*) FROM models'), 1, 'psql as printed finds the model, whatever the environment says');
ask($psql, 'CREATE TABLE mine AS SELECT 42 AS answer');

($status, $output, my $second) = demo($checkout);
is($status, 0, 'the demo runs a second time');
like($output, qr/^Kept as they are.*: demo\.$/m, 'and says what it keeps');
is(ask($psql, 'SELECT answer FROM mine'), 42, 'what was made after the first run is there');
isnt($second, $psql, 'the second run has a database of its own');
is(ask($second, 'SELECT count(*) FROM models'), 1, 'which psql as printed finds');

is(system('cp', '-a', $checkout, $copy), 0, 'a copy of the checkout');
($status, $output, my $other) = demo($copy);
is($status, 0, 'the demo runs in the copy');
unlike($output, qr/Kept/, 'on a server that knows nothing of the other');
isnt(ask($other, 'SHOW data_directory'), ask($psql, 'SHOW data_directory'), 'the two have servers of their own');
my $directory = ask($other, 'SHOW data_directory');
is(system('make', '-s', '-C', $copy, 'demo-clean'), 0, 'make demo-clean in the copy');
ok(!-e $directory, 'deletes its server');
is(ask($psql, 'SELECT answer FROM mine'), 42, 'and not the other');

END {
    local $?;
    -e "$_/.demo" && system('make', '-s', '-C', $_, 'demo-clean') for grep { defined } $checkout, $copy;
}
done_testing();
