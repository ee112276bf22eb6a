# CtrTest.pm: what the tests in Perl share. They run inside `test/server run`, which says where the server is.
# Every test file gets a database of its own, with the extension in it.
package CtrTest;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(query run_psql query_fails start_query finish_query backend_rss cpu_seconds generate_rows temp_files scratch
  wait_until);

die "run this with: test/server run prove -I test/t ...\n" unless $ENV{PGHOST};

our $database = 'ctr_' . basename($0, '.pl') =~ s/\W/_/gr;
my $scratch = tempdir('/tmp/ctr-tap.XXXXXX', CLEANUP => 1);

sub scratch { return "$scratch/$_[0]" }

# psql with the SQL as standard input: (exit status, output, errors)
sub run_psql
{
    my ($sql, %options) = @_;
    local $ENV{PGDATABASE} = $options{database} // $database;
    local $ENV{PGUSER} = $options{user} // $ENV{PGUSER};
    open my $in, '>', scratch("sql.$$") or die;
    print $in $sql;
    close $in;
    my @command = (qw(psql -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -f), scratch("sql.$$"));
    my $status = system("@command >$scratch/out.$$ 2>$scratch/err.$$");
    return ($status, map { slurp("$scratch/$_.$$") } qw(out err));
}

sub slurp
{
    open my $file, '<:raw', $_[0] or die "$_[0]: $!";
    my $text = join '', <$file>;
    chomp $text;
    return $text;
}

# the result of SQL that must succeed
sub query
{
    my ($sql, %options) = @_;
    my ($status, $out, $err) = run_psql($sql, %options);
    die "query failed: $sql\n$err\n" if $status != 0;
    return $out;
}

# a test: SQL fails with this SQLSTATE and a message like this
sub query_fails
{
    my ($sql, $state, $message, $name, %options) = @_;
    my ($status, undef, $err) = run_psql($sql, %options);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return like($err, qr/ERROR:\s+$state: $message/, $name);
}

# Runs SQL in a psql of its own; the SQL's application_name is the handle by which its backend is found.
sub start_query
{
    my ($sql) = @_;
    our $count;
    my $handle = { name => sprintf('background_%d', ++$count) };
    $handle->{$_} = scratch("$handle->{name}.$_") for qw(sql out);
    open my $in, '>', $handle->{sql} or die;
    print $in "SET application_name = '$handle->{name}';\n$sql\n";
    close $in;
    $handle->{process} = fork() // die "fork: $!";
    if ($handle->{process} == 0) {
        $ENV{PGDATABASE} = $database;
        open STDOUT, '>', $handle->{out};
        open STDERR, '>&', \*STDOUT;
        exec qw(psql -X -q -A -t -v VERBOSITY=verbose -f), $handle->{sql};
    }
    wait_until(sub {
        $handle->{pid} = query("SELECT pid FROM pg_stat_activity WHERE application_name = '$handle->{name}'
                                AND state = 'active'");
    });
    return $handle;
}

# Waits for the end of start_query's psql; its output
sub finish_query
{
    my ($handle) = @_;
    waitpid $handle->{process}, 0;
    return slurp($handle->{out});
}

sub wait_until
{
    my ($condition, $seconds) = @_;
    my $end = time() + ($seconds // 60);
    until ($condition->()) {
        die "waited in vain\n" if time() > $end;
        sleep 0.02;
    }
}

# a process's peak (VmHWM) or present (VmRSS) resident memory, in MB
sub backend_rss
{
    my ($pid, $which) = @_;
    return slurp("/proc/$pid/status") =~ /^\Q$which\E:\s+(\d+) kB/m ? $1 / 1024 : undef;
}

# the CPU time that a process has used, all of its threads together, in seconds
sub cpu_seconds
{
    my ($pid) = @_;
    my @fields = split ' ', slurp("/proc/$pid/stat") =~ s/^.*\) //r;
    return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# names of PostgreSQL's temporary files that exist now
sub temp_files { return query('SELECT string_agg(name, \' \') FROM pg_ls_tmpdir()') }

# the demo's planted table
sub generate_rows
{
    my ($rows, $seed) = @_;
    my $script = dirname(dirname(__FILE__)) . '/demo/generate.sql';
    query("\\set rows $rows\n\\set seed @{[$seed // 1]}\n\\i $script");
}

query("DROP DATABASE IF EXISTS $database", database => 'postgres');
query("CREATE DATABASE $database", database => 'postgres');
query('CREATE EXTENSION ctr');

END {
    my $status = $?;
    run_psql("DROP DATABASE IF EXISTS $database WITH (FORCE)", database => 'postgres') if $database;
    $? = $status;
}

1;
