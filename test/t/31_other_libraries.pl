# Weights of other people's networks: renamed as docs/pytorch.md says, they give the same probabilities in ours.
use strict;
use warnings;
use Test::More;

my $python = $ENV{PYTHON} // 'python3';
my $why = `$python -c 'import torch, safetensors, deepctr_torch' 2>&1`;

plan skip_all => "weights of DeepCTR-Torch: $python lacks torch, safetensors or deepctr_torch" if $? != 0;

for my $line (`$python test/parity/other_libraries.py 2>&1`)
{
    next unless $line =~ /^(ok|not ok) - (.*)/;
    is($1, 'ok', $2);
}
is($?, 0, 'other_libraries.py ends well');
done_testing();
