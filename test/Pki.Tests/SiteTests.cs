namespace Masquerade.Pki.Tests;

/// <summary>Tests with a site of their own each.</summary>
public abstract class SiteTests : IDisposable
{
    private protected Site Site { get; } = new();

    public void Dispose()
    {
        Site.Dispose();
        GC.SuppressFinalize(this);
    }
}
