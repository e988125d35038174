import React from 'react';
import lockSVG from '@plone/volto/icons/lock.svg';
import Tokens from './Tokens';

// The block shows whoever looks at it their own tokens, so it has no data and no sidebar.
const applyConfig = (config) => {
  config.blocks.blocksConfig.accessTokens = {
    id: 'accessTokens',
    title: 'Access tokens',
    icon: lockSVG,
    group: 'common',
    view: Tokens,
    edit: () => <p>Access tokens of whoever looks at the page.</p>,
    restricted: false,
    mostUsed: false,
    sidebarTab: 0,
  };
  return config;
};

export default applyConfig;
