# Safetensors.pm: a model's bytes as Perl data, to be changed and put together again, with a digest that fits.
package Safetensors;

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Exporter 'import';
use JSON::PP;

our @EXPORT = qw(read_model write_model);

# {metadata: {key: text}, tensors: [{name, dtype, shape, data}]}, the tensors as they lie in the file
sub read_model
{
    my ($bytes) = @_;
    my $size = unpack 'Q<', $bytes;
    my $header = JSON::PP->new->utf8->decode(substr $bytes, 8, $size);
    my $metadata = delete $header->{__metadata__};
    my @tensors;

    for my $name (sort { $header->{$a}{data_offsets}[0] <=> $header->{$b}{data_offsets}[0] || $a cmp $b } keys %$header)
    {
        my ($begin, $end) = @{$header->{$name}{data_offsets}};
        push @tensors, {
            name => $name, dtype => $header->{$name}{dtype}, shape => $header->{$name}{shape},
            data => substr($bytes, 8 + $size + $begin, $end - $begin) };
    }
    return { metadata => $metadata, tensors => \@tensors };
}

# The metadata's values, and names, must not need escapes beyond quotes and backslashes.
sub quoted
{
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/g;
    return qq("$text");
}

# The bytes; further text for the header's end comes from {more}.
sub write_model
{
    my ($model) = @_;
    my %metadata = (%{$model->{metadata}}, digest => '0' x 64);
    my @first = grep { exists $metadata{$_} } qw(digest epoch_seconds trained_at);
    my @keys = (@first, grep { !/^(digest|epoch_seconds|trained_at)$/ } sort keys %metadata);
    my $header = '{"__metadata__":{' . join(',', map { quoted($_) . ':' . quoted($metadata{$_}) } @keys) . '}';
    my ($data, $at) = ('', 0);

    for my $tensor (@{$model->{tensors}})
    {
        my $end = $at + length $tensor->{data};
        $header .= sprintf ',%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}', quoted($tensor->{name}), $tensor->{dtype},
          join(',', @{$tensor->{shape}}), $at, $end;
        $data .= $tensor->{data};
        $at = $end;
    }
    $header .= ($model->{more} // '') . '}';
    my $bytes = pack('Q<', length $header) . $header . $data;
    # all but the digest's digits, the seconds and the time of the training
    my $seconds = 8 + length '{"__metadata__":{"digest":"' . '0' x 64 . '","epoch_seconds":"';
    my $rest = index $bytes, '"', $seconds;
    my $covered = substr($bytes, 0, 35) . substr($bytes, 99, $seconds - 99)
      . (substr($bytes, $rest) =~ s/^(","trained_at":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=")/$1/r);
    substr($bytes, 35, 64) = sha256_hex($covered);
    return $bytes;
}

1;
