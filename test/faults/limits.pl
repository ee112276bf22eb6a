# Sessions meet a limit of the system or of PostgreSQL at any place in their work: temp_file_limit, a disk that is full, an
# address space that is small. Then there is an error that says so, or none and the right result; the session, or after a
# small address space another one, goes on, the next result is the same, nothing is left.
#
#   COUNT=number    how many faults of each kind, about as many for each work
use strict;
use warnings;
use CtrTest;
use Faults;
use List::Util qw(shuffle);
use Test::More;

my $wanted = $ENV{COUNT} // 12;
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");
create_tables(20000, 2000, 20000);
my $log = server_log();
my $log_begin = -s $log;
my (%tried, %hit);

# ------------------------------------------------------------------ the limits

# MB that a tablespace of its own has; root can make one
my $disk = $log =~ s/server\.log$/disk/r;
my $has_disk = $> == 0 && mkdir($disk) && system("mount -t tmpfs -o size=1m none $disk 2>/dev/null && chown postgres: $disk") == 0;
END { my $status = $?; query('DROP TABLESPACE full_disk') if $has_disk; system("umount $disk") if $has_disk; $? = $status }
query("CREATE TABLESPACE full_disk LOCATION '$disk'") if $has_disk;

# A program of the server's sets the limit of the backend that starts it; it and the backend are of one user.
sub limit_memory { return "SELECT format('COPY (SELECT) TO PROGRAM %L', format('cat >/dev/null; prlimit --pid %s --as=$_[0]:', pg_backend_pid())) \\gexec" }

my %kinds = (
    'temp_file_limit' => {
        works => [qw(spill parts crosses train)], errors => qr/53400/, after => 'RESET temp_file_limit;',
        before => sub { "SET temp_file_limit = '" . int(rand 3000) . "kB';" } },
    $has_disk ? ('full disk' => {
        works => [qw(spill parts crosses train)], errors => qr/53100/, after => 'RESET temp_tablespaces;',
        before => sub { system('mount', '-o', 'remount,size=' . 4 * (8 + int rand 600) . 'k', $disk); 'SET temp_tablespaces = full_disk;' } }) : (),
    system('prlimit --version >/dev/null 2>&1') == 0 ? ('small address space' => {
        works => [grep { !/^(metrics|curves|options|estimate)$/ } work_names()], errors => qr/53200/, after => "\\c -\n$settings", # which may find no memory to lift the limit
        # libraries are loaded before
        before => sub { "LOAD 'ctr'; SET jit = off;\n" . limit_memory('$(($(sed -n "s/VmSize:[^0-9]*\([0-9]*\).*/\1/p" /proc/$PPID/status) * 1024 + ' . int(2 ** (20 + rand 5)) . '))') } }) : (),
);

# ------------------------------------------------------------------ faults

for my $kind (sort keys %kinds) {
    my ($works, $errors, $before, $after) = @{ $kinds{$kind} }{qw(works errors before after)};
    my $each = int(($wanted + @$works - 1) / @$works);
    for my $work (@$works > $wanted ? (shuffle(@$works))[0 .. $wanted - 1] : @$works) {
        my $expected = expected_result($work);
        my @wrong;
        # One session for each: what has been freed is a reserve. The disk's size is chosen before.
        for (1 .. $each) {
            my ($said) = run_faults($work, { name => $kind, before => $before->(), after => $after });
            my $wrong = judge($said // '', $errors, $expected);
            push @wrong, $wrong if $wrong ne '';
            diag("$work: $wrong\n", $said // '') if $wrong ne '' && @wrong <= 3;
            $tried{$kind}++;
            $hit{$kind}++ if ($said // '') =~ /ERROR/;
        }
        is(scalar @wrong, 0, "$work: $kind, $each times");
    }
}
is(left_behind(), '', 'no backend, temporary file, progress or pin is left');
is(crashes($log, $log_begin), '', 'no backend has crashed');
diag(sprintf 'faults: %s: %d hit of %d', $_, $hit{$_} // 0, $tried{$_}) for sort keys %tried;
SKIP: {
    skip 'a full disk, which only root can make', 1 if !$has_disk;
    pass('a disk was full');
}
done_testing();
