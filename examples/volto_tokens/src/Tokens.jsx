import React, { useCallback, useEffect, useMemo, useState } from 'react';
import Api from '@plone/volto/helpers/Api/Api';
import { listOffers, listTokens, makeToken, reasonOf, revokeToken } from './calls';

const DAY = 24 * 60 * 60 * 1000;
const dayIn = (days) => new Date(Date.now() + days * DAY).toISOString().slice(0, 10);

const Tokens = () => {
  const api = useMemo(() => new Api(), []);
  const [tokens, setTokens] = useState([]);
  const [offers, setOffers] = useState([]);
  const [made, setMade] = useState(null); // with the token itself: kept nowhere else
  const [error, setError] = useState('');

  // Do something, show why if it was refused, and look again.
  const act = useCallback(
    async (what) => {
      try {
        setError('');
        const answer = await what?.();
        setTokens(await listTokens(api));
        return answer;
      } catch (refused) {
        setError(reasonOf(refused));
        return null;
      }
    },
    [api],
  );

  useEffect(() => {
    act(async () => setOffers(await listOffers(api)));
  }, [act, api]);

  const make = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const wish = { name: data.get('name'), services: data.getAll('service'), ends: data.get('ends') };
    const answer = await act(() => makeToken(api, wish));
    setMade(answer);
    if (answer) form.reset();
  };

  return (
    <section className="access-tokens">
      {error && <p role="alert">{error}</p>}
      {made && (
        <p role="status">
          Copy the token now, it is not shown again: <code>{made.token}</code>
        </p>
      )}
      <form onSubmit={make}>
        <label>
          What it is for <input name="name" required maxLength={100} />
        </label>
        <label>
          Its last day <input name="ends" type="date" required max={dayIn(365)} defaultValue={dayIn(90)} />
        </label>
        <fieldset>
          <legend>What it may</legend>
          {offers.flatMap(({ title, read, write }) =>
            [[read, 'read'], [write, 'write']].map(
              ([service, verb]) =>
                service && (
                  <label key={service}>
                    <input type="checkbox" name="service" value={service} /> {verb}: {title}
                  </label>
                ),
            ),
          )}
        </fieldset>
        <button type="submit">Make a token</button>
      </form>
      <ul>
        {tokens.map((token) => (
          <li key={token.id}>
            {token.name}: {token.scope}, until {token.ends.slice(0, 10)}, {token.state}, last used{' '}
            {token.used ?? 'never'}{' '}
            {token.state === 'good' && (
              <button type="button" onClick={() => act(() => revokeToken(api, token.id))}>
                Revoke
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
};

export default Tokens;
