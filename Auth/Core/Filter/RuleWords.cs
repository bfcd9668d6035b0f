namespace Masquerade.Auth.Filter;

/// <summary>A rule's words one after another, with their columns.</summary>
internal sealed class RuleWords
{
    private readonly List<(string Text, int Column)> _words = [];
    private readonly int _end;
    private int _next;

    public RuleWords(string rule)
    {
        _end = rule.Length + 1;
        for (var i = 0; i < rule.Length;)
        {
            if (char.IsWhiteSpace(rule[i]))
            {
                i++;
                continue;
            }

            var start = i;
            while (i < rule.Length && !char.IsWhiteSpace(rule[i]))
            {
                i++;
            }

            _words.Add((rule[start..i].ToLowerInvariant(), start + 1));
        }
    }

    /// <summary>The next word; empty at the end.</summary>
    public string Next => _next < _words.Count ? _words[_next].Text : string.Empty;

    /// <summary>Its column, from 1.</summary>
    public int Column => _next < _words.Count ? _words[_next].Column : _end;

    public bool IsAtEnd => _next >= _words.Count;

    /// <summary>All words with single spaces between them.</summary>
    public string Normal => string.Join(' ', _words.Select(word => word.Text));

    public string Take()
    {
        var word = Next;
        _next++;
        return word;
    }

    /// <summary>Takes the next word if it is this one.</summary>
    public bool Take(string word)
    {
        if (!string.Equals(Next, word, StringComparison.Ordinal))
        {
            return false;
        }

        _next++;
        return true;
    }
}
