# The folders of src/ depend on each other one way: what an object file of one calls lies in the same folder or in one
# further down this list. Read from the objects that were linked, by nm.
use strict;
use warnings;

use FindBin;
use Test::More;

my @house = (qw(io see metrics score train model encode rows options .),
    qw(nn/arch nn/layers nn/train nn/infer nn/net nn/math nn/kernels nn));

my $source = "$FindBin::Bin/../../src";
my %place;
@place{@house} = 0 .. $#house;

sub folder
{
    my $object = shift;
    return $object =~ m{^(.*)/[^/]+$} ? $1 : '.';
}

# Those of sources that have gone since the last "make clean" do not count.
my @objects = grep { -e "$source/" . s/o$/c/r } map { s{^\Q$source\E/}{}r } glob("$source/*.o $source/*/*.o $source/nn/*/*.o");
my (%home, @calls);
foreach my $object (@objects)
{
    foreach (`nm '$source/$object'`)
    {
        next unless /^[0-9a-f]* +([A-Za-z]) (\S+)$/;
        my ($kind, $symbol) = ($1, $2);
        if ($kind eq 'U') { push @calls, [ $object, $symbol ] }
        elsif ($kind =~ /[A-Z]|i/) { $home{$symbol} = $object }
    }
}
cmp_ok(scalar @objects, '>', 50, 'the objects are there');
is_deeply([ grep { !exists $place{ folder($_) } } @objects ], [], 'every folder has its place');

my ($n, @upwards) = (0);
foreach (@calls)
{
    my ($object, $symbol) = @$_;
    my $other = $home{$symbol} or next;
    $n++;
    push @upwards, "$object calls $symbol of $other" if $place{ folder($other) } < $place{ folder($object) };
}
cmp_ok($n, '>', 300, 'calls between the objects are there');
is_deeply(\@upwards, [], 'no call goes up the house');

# The same of what is included: a type used against the arrows is a circle too.
my @included;
foreach my $file (map { s{^\Q$source\E/}{}r } glob("$source/*.[ch] $source/*/*.[ch] $source/nn/*/*.[ch]"))
{
    open my $in, '<', "$source/$file" or die "$file: $!";
    while (<$in>)
    {
        next unless /^#include "([^"]+)"/ and -e "$source/$1";
        push @included, "$file includes $1" if $place{ folder($1) } < $place{ folder($file) };
    }
}
is_deeply(\@included, [], 'no include goes up the house');

# What many files see carries a prefix: the types and macros of a folder's header.
my @bare;
foreach my $file (grep { !/\.pb-c\.h$/ } map { s{^\Q$source\E/}{}r } glob("$source/*/*.h"))
{
    my ($folder, $header) = $file =~ m{^(\w+)/(\w+)\.h$};
    next if $folder eq 'nn' or $header ne $folder;
    open my $in, '<', "$source/$file" or die "$file: $!";
    while (<$in>)
    {
        next unless /^typedef (?:struct|enum) (\w+)/ or /^#define (\w+)/;
        push @bare, "$file: $1" unless $1 =~ /^(?:Ctr|CTR_|ctr_model$|DatumGetModelP$|PG_RETURN_MODEL_P$)/;
    }
}
is_deeply(\@bare, [], "types and macros in a folder's header carry the prefix");

# Variables of threads get their memory at the first access, and the C library ends the process, and so the server, where there is none.
unlike(`readelf -lW '$source/../ctr.so'`, qr/^ *TLS /m, 'there are no thread-local variables');

done_testing();
