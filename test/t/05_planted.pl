# A planted model is learned: the best possible AUC is known, and a linear model is far from it.
use strict;
use warnings;
use CtrTest;
use Test::More;

generate_rows(100000, 7);
my $train = 80000;
my $best = query("SELECT ctr_auc(label, p) FROM criteo JOIN criteo_truth USING (id) WHERE id > $train");

sub auc
{
    my ($network) = @_;
    return query("WITH m AS MATERIALIZED (
            SELECT ctr_train(c, $network || ctr_fit(ignore => '{id}')) AS model FROM criteo c WHERE id <= $train)
        SELECT (ctr_evaluate(m.model, c)).auc FROM m, criteo c WHERE id > $train");
}

for my $cross ('matrix', 'vector', 'mix') {
    my $auc = auc("ctr_deepcross(cross_type => '$cross')");
    cmp_ok($auc, '>', $best - 0.02, sprintf('DCN-%s: AUC %.4f, best possible %.4f', $cross, $auc, $best));
    cmp_ok($auc, '<', $best + 0.005, 'and not better than possible');
}

done_testing();
