// Databases.

import type { Answer } from './http.js';
import type { Invoker } from './invoker.js';
import type { Json } from './json.js';
import { grants } from './recap.js';
import type { Claims } from './ucan.js';

/** What a query answers. */
export interface Rows {
  columns: string[];
  rows: Json[][];
  rowCount: number;
}

/** What a change answers. */
export interface Changes {
  changes: number;
  lastInsertRowId: number | null;
}

/** The ability that a client takes for a statement. */
const abilityOf = (statement: string): string => {
  const first = statement.trim().split(/\s/, 1)[0]?.toLowerCase() ?? '';
  if (['create', 'alter', 'drop'].includes(first)) return 'tinycloud.sql/schema';
  return first === 'pragma' ? 'tinycloud.sql/admin' : 'tinycloud.sql/write';
};

/** One database of a space. */
export class Sql {
  readonly by: Invoker;
  readonly resource: string;

  constructor(by: Invoker, space: string, database: string) {
    this.by = by;
    this.resource = `${space}/sql/${database}`;
  }

  /** Any action, under any abilities. */
  action(abilities: readonly string[], body: Json, claims: Partial<Claims> = {}): Promise<Answer> {
    const headers = { 'Content-Type': 'application/json' };
    return this.by.invoke(grants({ [this.resource]: abilities }), { headers, body: JSON.stringify(body), claims });
  }

  query(sql: string, params: Json[] = [], more: { [name: string]: Json } = {}): Promise<Answer> {
    return this.action(['tinycloud.sql/read'], { action: 'query', sql, params, ...more });
  }

  execute(sql: string, params: Json[] = [], more: { [name: string]: Json } = {}): Promise<Answer> {
    const abilities = [abilityOf(sql), ...('schema' in more ? ['tinycloud.sql/schema'] : [])];
    return this.action([...new Set(abilities)], { action: 'execute', sql, params, ...more });
  }

  batch(statements: { sql: string; params?: Json[] }[]): Promise<Answer> {
    const abilities = [...new Set(statements.map(({ sql }) => abilityOf(sql)))];
    return this.action(abilities, { action: 'batch', statements: statements.map(({ sql, params = [] }) => ({ sql, params })) });
  }

  /** `spelling`: clients write `execute_statement`. */
  statement(name: string, params: Json[] = [], claims: Partial<Claims> = {}, spelling = 'execute_statement'): Promise<Answer> {
    return this.action(['tinycloud.sql/write'], { action: spelling, name, params }, claims);
  }

  export(): Promise<Answer> {
    return this.action(['tinycloud.sql/read'], { action: 'export' });
  }
}
