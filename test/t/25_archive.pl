# The archive for PGXN (make dist): META.json is as PGXN's specification 1.0.0 has it, the version is the same wherever it is
# written, and in the archive is what is needed to build, install and test.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Uncompress::Unzip qw($UnzipError);
use JSON::PP;
use Test::More;

chdir dirname(dirname(dirname(__FILE__))) or die;
delete @ENV{qw(MAKEFLAGS MFLAGS)};

sub slurp
{
    my ($name) = @_;
    open my $file, '<:raw', $name or die "$name: $!\n";
    local $/;
    return <$file>;
}

sub text { my ($value) = @_; return defined $value && !ref $value && $value =~ /\S/ }
sub version { my ($value) = @_; return text($value) && $value =~ /^\d+\.\d+\.\d+(?:-?[a-zA-Z][-0-9a-zA-Z]*)?$/ }
sub term { my ($value) = @_; return text($value) && $value =~ m{^[^\s/\\\0-\x1f]{2,}$} }
sub all_of { my ($test, @values) = @_; return @values && !grep { !$test->($_) } @values }
sub list_of { my ($test, $value) = @_; return all_of($test, ref $value eq 'ARRAY' ? @$value : $value) }

sub provides
{
    my ($value) = @_;
    return ref $value eq 'HASH' && all_of(\&term, keys %$value) && all_of(sub {
        my ($part) = @_;
        return version($part->{version}) && text($part->{file}) && -f $part->{file}
          && (!exists $part->{docfile} || -f $part->{docfile}) && (!exists $part->{abstract} || text($part->{abstract}))
          && all_of(sub { $_[0] =~ /^(?:file|version|abstract|docfile|x_.*)$/i }, keys %$part);
    }, values %$value);
}

# phase => relation => {name => version range}
sub prereqs
{
    my ($value) = @_;
    return all_of(sub { $_[0] =~ /^(?:configure|build|test|runtime|develop)$/ }, keys %$value)
      && all_of(sub {
        my ($relations) = @_;
        return all_of(sub { $_[0] =~ /^(?:requires|recommends|suggests|conflicts)$/ }, keys %$relations)
          && all_of(sub { my ($names) = @_; all_of(\&term, keys %$names) && all_of(sub { version($_[0] =~ s/^[<>=!]+\s*//r) || $_[0] eq '0' }, values %$names) }, values %$relations);
    }, values %$value);
}

my @licenses = qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1
  lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted unknown);
my %required = (
    name => \&term, version => \&version, abstract => \&text, provides => \&provides,
    maintainer => sub { list_of(\&text, $_[0]) },
    license => sub { my ($license) = @_; list_of(sub { my ($name) = @_; grep { $_ eq $name } @licenses }, $license) },
    'meta-spec' => sub { $_[0]{version} eq '1.0.0' && (!exists $_[0]{url} || $_[0]{url} =~ m{^https?://pgxn\.org/meta/spec\.txt$}) },
);
my %optional = (
    description => \&text, generated_by => \&text, tags => sub { ref $_[0] eq 'ARRAY' && list_of(sub { text($_[0]) && length $_[0] < 256 }, $_[0]) },
    release_status => sub { $_[0] =~ /^(?:stable|testing|unstable)$/ }, prereqs => \&prereqs,
    no_index => sub { ref $_[0] eq 'HASH' }, resources => sub { ref $_[0] eq 'HASH' },
);

# the keys of a META.json that are not as they must be
sub faults
{
    my ($meta) = @_;
    my %known = (%required, %optional);
    return grep { exists $meta->{$_} ? /^x_/i ? 0 : !$known{$_} || !$known{$_}->($meta->{$_}) : $required{$_} } sort keys %{ { %known, %$meta } };
}

my $meta = decode_json(slurp('META.json'));
is(join(' ', faults($meta)), '', 'META.json is as specified');
is(join(' ', faults({ %$meta, name => 'a b', version => '0.1', license => 'pg', provides => {}, color => 'red', prereqs => { run => {} } })),
    'color license name prereqs provides version', 'and what is not would be found');

my $version = $meta->{version};
my ($control) = slurp('ctr.control') =~ /^default_version = '(.*)'$/m;
my ($header) = map { slurp($_) =~ /define CTR_VERSION +"(.*)"/ } glob 'src/*.h src/*/*.h';
my ($heading) = slurp('CHANGELOG.md') =~ /^## ([^ \n]+)/m;
my ($debian) = slurp('debian/changelog') =~ /^[a-z-]+ \(([^)]*)-\d+\)/;
is($control, $version, 'ctr.control has the version of META.json');
is($meta->{provides}{ctr}{version}, $version, 'and META.json has one version');
is($header, $version, 'and the library');
is($heading, $version, 'and CHANGELOG.md');
is($debian, $version, 'and debian/changelog');

SKIP:
{
    skip 'left out: no checkout of git\'s', 4 if system('git rev-parse HEAD >/dev/null 2>&1') != 0;
    my $scratch = tempdir('/tmp/ctr-tap.XXXXXX', CLEANUP => 1);
    is(system("make -s dist ARCHIVE=$scratch/a.zip >/dev/null"), 0, 'make dist');
    my $zip = IO::Uncompress::Unzip->new("$scratch/a.zip") or die "no archive: $UnzipError\n";
    my %in;
    for (my $more = 1; $more > 0; $more = $zip->nextStream())
    {
        $in{ $zip->getHeaderInfo()->{Name} } = 1;
    }
    is(join(' ', grep { !m{^ctr-\Q$version\E/} } sort keys %in), '', 'all is in one directory');
    my @needed = split /\n/, qx(git ls-tree -r --name-only HEAD META.json Makefile LICENSE README.md CHANGELOG.md ctr.control docs src sql expected test debian);
    is(join(' ', grep { !$in{"ctr-$version/$_"} } @needed), '', 'with what is needed to build, install, use and test');
    is(join(' ', grep { m{^[^/]*/\.(?:git|ci)} } sort keys %in), '', 'and nothing of the project\'s own housekeeping');
}
done_testing();
