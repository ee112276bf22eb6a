# Models that released versions wrote (test/models/generate) are read, say what they said, score as they did, and can be trained on.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(basename dirname);
use JSON::PP;
use Test::More;

my $models = dirname(dirname(__FILE__)) . '/models';

sub slurp
{
    my ($name) = @_;
    open my $file, '<:raw', $name or die "$name: $!\n";
    local $/;
    return <$file>;
}

# the largest difference between two lists of the same shape; a large number: they have other shapes
sub difference
{
    my ($a, $b) = @_;
    my $largest = 0;
    return 1e9 if ref $a ne ref $b;
    return abs($a - $b) if ref $a ne 'ARRAY';
    return 1e9 if @$a != @$b;
    for my $i (0 .. $#$a)
    {
        my $d = difference($a->[$i], $b->[$i]);
        $largest = $d if $d > $largest;
    }
    return $largest;
}

# What is there without the models that models.sql trains: its tables and functions.
my $sql = slurp("$models/models.sql");
$sql =~ s/^INSERT INTO models\n.*?(?=^-- the scores)//ms or die "models.sql has another form\n";
query("SET client_min_messages = warning;\n$sql");

for my $file (sort glob "$models/*/*.safetensors")
{
    my ($version, $name) = (basename(dirname($file)), basename($file, '.safetensors'));
    my $recorded = decode_json(slurp($file =~ s/safetensors$/json/r));
    my $hex = unpack 'H*', slurp($file);
    my $config = encode_json($recorded->{config}) =~ s/'/''/gr;
    my $query = <<"END";
SET client_min_messages = warning;
TRUNCATE models;
INSERT INTO models VALUES ('$name', $recorded->{classes}, '{}', '\\x$hex');
SELECT jsonb_build_object('bytes', encode(model::bytea, 'hex') = '$hex', 'config', ctr_config(model) \@> '$config',
    'scores', scores(name, classes, model), 'further', (SELECT ctr_train(t, '{"epochs": 1}', model) IS NOT NULL FROM training t)) FROM models;
END
    my $answer = eval { decode_json(query($query)) };
    ok($answer, "$version: $name is read") or diag($@ =~ /(ERROR:.*)/);
    ok($answer->{bytes} && $answer->{config}, 'is what it was');
    cmp_ok(difference($answer->{scores}, $recorded->{scores}), '<', 1e-5, 'and scores as it did');
    ok($answer->{further}, 'and can be trained on');
}

cmp_ok(scalar(() = glob "$models/*/*.safetensors"), '>', 20, 'the files are there');
done_testing();
