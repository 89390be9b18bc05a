import {string} from '@oclif/core/flags';

export const datasetFlag = string({
  description: 'zfs: the dataset that belongs to the store, made if it is missing',
  helpValue: 'POOL/NAME',
});
