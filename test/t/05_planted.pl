# A planted model is learned: the best possible AUC is known, and a linear model is far from it; and what was planted is found.
use strict;
use warnings;
use CtrTest;
use Test::More;

generate_rows(100000, 7);
my $train = 80000;
my $best = query("SELECT ctr_auc(label, p) FROM criteo JOIN criteo_truth USING (id) WHERE id > $train");

query('CREATE TABLE models (network text, model ctr_model)');

sub train
{
    my ($network) = @_;
    query("INSERT INTO models
           SELECT \$\$$network\$\$, ctr_train(c, ctr_$network || ctr_fit(ignore => '{id}')) FROM criteo c WHERE id <= $train");
}

# the planted pairs of columns (test/demo/generate.sql) come before all others
sub finds_crosses
{
    my ($network) = @_;
    my $first = query("SELECT string_agg(feature_a || '*' || feature_b, ' ' ORDER BY feature_a, feature_b) FROM
        (SELECT i.* FROM models, ctr_interactions(model) i WHERE network = \$\$$network\$\$ AND layer = 'network' LIMIT 4) p");
    is($first, 'c19*c30 c22*c36 i11*c36 i7*c19', "$network: the planted crosses come first");
}

for my $cross ('matrix', 'vector', 'mix') {
    my $network = "deepcross('$cross')";
    train($network);
    my $auc = query("SELECT (ctr_evaluate(model, c)).auc FROM models, criteo c WHERE network = \$\$$network\$\$ AND id > $train");
    cmp_ok($auc, '>', $best - 0.02, sprintf('DCN-%s: AUC %.4f, best possible %.4f', $cross, $auc, $best));
    cmp_ok($auc, '<', $best + 0.005, 'and not better than possible');
    finds_crosses($network);
}
train('fibinet()');
finds_crosses('fibinet()');

done_testing();
