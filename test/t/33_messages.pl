# Messages in PostgreSQL's style (its documentation, "Error Message Style Guide"): a primary message begins with a small letter and
# has no full stop; a detail and a hint are whole sentences. All say what the literals in the sources say.
use strict;
use warnings;
use File::Basename qw(dirname);
use Test::More;

my $src = dirname(dirname(dirname(__FILE__))) . '/src';
# Names that begin a message as they are written, and words in capitals.
my $name = qr/^(?:OpenBLAS|ONNX|HINT|NULL|SENet|SVG|[A-Z]{2,})\b/;

# the calls of a function in C's text: the texts of their first literals, joined as the compiler does, and where they stand
sub literals
{
    my ($text, $function) = @_;
    my @found;
    while ($text =~ /\b$function\s*\(\s*(?:[^"()]*,\s*)?((?:"(?:[^"\\]|\\.)*"\s*(?:[A-Z_0-9]+_FORMAT\s*)?)+)/g) {
        my ($at, $literal) = ($-[0], $1);
        $literal =~ s/"\s*[A-Z_0-9]+_FORMAT\s*"/%d/g;
        $literal =~ s/"\s*"//g;
        $literal =~ s/^"|"\s*$//g;
        $literal =~ s/\\"/"/g;
        push @found, [ 1 + (substr($text, 0, $at) =~ tr/\n//), $literal ];
    }
    return @found;
}

my (@wrong, $n);
for my $file (sort grep { !/pb-c/ } glob("$src/*.[ch] $src/*/*.[ch]"))
{
    open my $in, '<', $file or die "$file: $!";
    my $text = do { local $/; <$in> };
    $text =~ s{/\*.*?\*/}{$& =~ tr/\n//cdr}gse;
    my $short = substr $file, length "$src/";
    for (literals($text, 'errmsg(?:_plural)?'))
    {
        my ($line, $message) = @$_;
        $n++;
        push @wrong, "$short:$line: begins with a capital: $message" if $message =~ /^[A-Z]/ && $message !~ $name;
        push @wrong, "$short:$line: ends with a full stop: $message" if $message =~ /[.!\n]$/;
    }
    for my $kind (qw(errdetail errhint))
    {
        for (literals($text, $kind . '(?:_plural|_log)?'))
        {
            my ($line, $message) = @$_;
            $n++;
            push @wrong, "$short:$line: $kind begins with a small letter: $message" if $message =~ /^[a-z]/ && $message !~ /^(?:ctr|pg)[._]\w+/;
            push @wrong, "$short:$line: $kind ends without a full stop: $message" if $message !~ /[.:?]$/ && $message !~ /%s$/;
        }
    }
}
cmp_ok($n, '>', 250, 'messages are found');
is(join("\n", @wrong), '', 'messages are in the style of PostgreSQL');
done_testing();
