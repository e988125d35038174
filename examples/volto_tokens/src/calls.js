// The calls of @tokens. `api` is Volto's: new Api(), with get, post and del.

export const listTokens = async (api) => (await api.get('/@tokens')).items;

// What a token can be made for: { name, title, read, write, whole_site } each.
export const listOffers = async (api) => (await api.get('/@tokens/offers')).items;

// The answer has `token`, this one time. `ends` is a day, as 2027-03-01, in a year at most.
export const makeToken = (api, { name, services, ends }) =>
  api.post('/@tokens', { data: { name, scope: services.join(' '), ends } });

export const revokeToken = (api, id) => api.del(`/@tokens/${id}`);

// Why the site has refused something: superagent has the answer in the error.
export const reasonOf = (error) => error.response?.body?.message ?? error.message;
