-- best.sql: how good a model of the planted rows can be: nothing ranks better than the true probabilities.
\pset footer off
\echo 'The best possible AUC here, by the probabilities that the labels were drawn with:'
SELECT round(ctr_auc(label, p)::numeric, 4) AS best_possible_auc
FROM criteo JOIN criteo_truth USING (id) WHERE id > :last_training_row;
