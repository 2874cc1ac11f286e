-- The bar of every page asks which environments' last deployment ended badly.
CREATE INDEX deployments_ended_badly ON deployments (service, environment, requested_at, number, state, origin)
    WHERE state IN ('failed', 'rolled_back');
