# Weights in PyTorch and back: a model loads strictly into the classes of the same names, and new weights from there come in, on either side with the same scores.
use strict;
use warnings;
use Test::More;

my $python = $ENV{PYTHON} // 'python3';
my $why = `$python -c 'import torch, numpy, safetensors' 2>&1`;

plan skip_all => "comparison with PyTorch: $python lacks torch, numpy or safetensors" if $? != 0;

for my $line (`$python test/parity/round_trip.py 2>&1`)
{
    next unless $line =~ /^(ok|not ok) - (.*)/;
    is($1, 'ok', $2);
}
is($?, 0, 'round_trip.py ends well');
done_testing();
