# Weights in PyTorch: ctr_state_dict loads strictly into the classes of the same names, and says what ctr_predict says.
use strict;
use warnings;
use Test::More;

my $python = $ENV{PYTHON} // 'python3';
my $why = `$python -c 'import torch, safetensors' 2>&1`;

plan skip_all => "comparison with PyTorch: $python lacks torch or safetensors" if $? != 0;

for my $line (`$python test/parity/strict_load.py 2>&1`)
{
    next unless $line =~ /^(ok|not ok) - (.*)/;
    is($1, 'ok', $2);
}
is($?, 0, 'strict_load.py ends well');
done_testing();
